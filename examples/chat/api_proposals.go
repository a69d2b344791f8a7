package chat

import (
	"net/http"
	"time"
)

const proposalColumns = "id, topic_id, title, status, created_at"

// Proposal is a row of proposals.
type Proposal struct {
	ID        ID        `json:"id"`
	TopicID   *ID       `json:"topic_id"`
	Title     string    `json:"title"`
	Status    string    `json:"status"` // pending, approved, rejected
	CreatedAt time.Time `json:"created_at"`
}

func (a *API) proposals(r *http.Request) (reply, error) {
	return list[Proposal](a, r, "SELECT "+proposalColumns+" FROM proposals ORDER BY id")
}

func (a *API) createProposal(r *http.Request) (reply, error) {
	var in struct {
		TopicID *ID `json:"topic_id"`
		Title   string
	}
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	if err := text("title", in.Title, maxName); err != nil {
		return reply{}, err
	}
	return write[Proposal](a, r, http.StatusCreated,
		"INSERT INTO proposals (topic_id, title) VALUES ($1, $2) RETURNING "+proposalColumns, in.TopicID, in.Title)
}

func (a *API) updateProposal(r *http.Request) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	var in struct{ Status string }
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	return write[Proposal](a, r, http.StatusOK,
		"UPDATE proposals SET status = $2 WHERE id = $1 RETURNING "+proposalColumns, id, in.Status)
}

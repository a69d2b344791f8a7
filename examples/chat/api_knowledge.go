package chat

import (
	"net/http"
	"time"
)

const (
	atomColumns = "id, topic_id, title, content, created_at"
	maxAtom     = 5000 // characters
)

// Atom is a row of knowledge_atoms.
type Atom struct {
	ID        ID        `json:"id"`
	TopicID   *ID       `json:"topic_id"`
	Title     string    `json:"title"`
	Content   string    `json:"content"`
	CreatedAt time.Time `json:"created_at"`
}

func (a *API) atoms(r *http.Request) (reply, error) {
	return list[Atom](a, r, "SELECT "+atomColumns+" FROM knowledge_atoms ORDER BY id")
}

func (a *API) createAtom(r *http.Request) (reply, error) {
	var in struct {
		TopicID *ID `json:"topic_id"`
		Title   string
		Content string
	}
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	if err := text("title", in.Title, maxName); err != nil {
		return reply{}, err
	}
	if err := text("content", in.Content, maxAtom); err != nil {
		return reply{}, err
	}
	return write[Atom](a, r, http.StatusCreated,
		"INSERT INTO knowledge_atoms (topic_id, title, content) VALUES ($1, $2, $3) RETURNING "+atomColumns,
		in.TopicID, in.Title, in.Content)
}

func (a *API) updateAtom(r *http.Request) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	var in struct{ Title, Content *string }
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	if err := optional("title", in.Title, maxName); err != nil {
		return reply{}, err
	}
	if err := optional("content", in.Content, maxAtom); err != nil {
		return reply{}, err
	}
	return write[Atom](a, r, http.StatusOK, `
		UPDATE knowledge_atoms SET title = coalesce($2, title), content = coalesce($3, content)
		WHERE id = $1 RETURNING `+atomColumns, id, in.Title, in.Content)
}

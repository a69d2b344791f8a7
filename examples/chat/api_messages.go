package chat

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	messageColumns = "id, topic_id, author, content, feed, created_at"

	maxContent  = 500 // characters
	maxName     = 120
	maxMessages = 500
)

// Topic is a row of topics as one caller sees it. A private one is in the list
// of everybody; what is said in it is not.
type Topic struct {
	ID      ID     `json:"id"`
	Title   string `json:"title"`
	Private bool   `json:"private"`
	Allowed bool   `json:"allowed"` // to read it, and to join it
}

// Message is a row of messages.
type Message struct {
	ID        ID        `json:"id"`
	TopicID   ID        `json:"topic_id"`
	Author    string    `json:"author"`
	Content   string    `json:"content"`
	Feed      *string   `json:"feed"`
	CreatedAt time.Time `json:"created_at"`
}

func (a *API) topics(r *http.Request) (reply, error) {
	claims, err := a.claims(r)
	if err != nil {
		return reply{}, err
	}
	return list[Topic](a, r, "SELECT id, title, private, can_join('topic_' || id, $1) AS allowed FROM topics ORDER BY id", claims)
}

// messages answers with a topic's newest messages, the newest last, and how many
// there are. Both come from one statement, so that they fit together.
func (a *API) messages(r *http.Request) (reply, error) {
	topic, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	if err := a.admit(r, topic); err != nil {
		return reply{}, err
	}
	limit := 50
	if s := r.URL.Query().Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > maxMessages {
			return reply{}, refusal{http.StatusBadRequest, fmt.Sprintf("limit is 1 to %d", maxMessages)}
		}
	}
	rows, err := all[struct {
		Message
		Total int
	}](r.Context(), a.db, `
		SELECT `+messageColumns+`, total
		FROM (SELECT * FROM messages WHERE topic_id = $1 ORDER BY id DESC LIMIT $2) newest,
		     (SELECT count(*) AS total FROM messages WHERE topic_id = $1) counted
		ORDER BY id`, topic, limit)
	if err != nil {
		return reply{}, err
	}
	out := struct {
		Total    int       `json:"total"`
		Messages []Message `json:"messages"`
	}{Messages: make([]Message, len(rows))}
	for i, row := range rows {
		out.Total, out.Messages[i] = row.Total, row.Message
	}
	return reply{body: out}, nil
}

func (a *API) createMessage(r *http.Request) (reply, error) {
	topic, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	if err := a.admit(r, topic); err != nil {
		return reply{}, err
	}
	var in struct{ Author, Content string }
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	if err := text("author", in.Author, maxName); err != nil {
		return reply{}, err
	}
	if err := text("content", in.Content, maxContent); err != nil {
		return reply{}, err
	}
	return write[Message](a, r, http.StatusCreated,
		"INSERT INTO messages (topic_id, author, content) VALUES ($1, $2, $3) RETURNING "+messageColumns,
		topic, in.Author, in.Content)
}

func (a *API) updateMessage(r *http.Request) (reply, error) {
	id, claims, err := a.pathAndClaims(r)
	if err != nil {
		return reply{}, err
	}
	var in struct{ Content string }
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	if err := text("content", in.Content, maxContent); err != nil {
		return reply{}, err
	}
	return write[Message](a, r, http.StatusOK,
		"UPDATE messages SET content = $3 WHERE id = $1 AND can_join('topic_' || topic_id, $2) RETURNING "+messageColumns,
		id, claims, in.Content)
}

func (a *API) deleteMessage(r *http.Request) (reply, error) {
	id, claims, err := a.pathAndClaims(r)
	if err != nil {
		return reply{}, err
	}
	return write[Message](a, r, http.StatusNoContent,
		"DELETE FROM messages WHERE id = $1 AND can_join('topic_' || topic_id, $2) RETURNING "+messageColumns, id, claims)
}

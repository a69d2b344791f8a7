package chat

import (
	"net/http"
	"time"
)

const runColumns = "id, topic_id, status, error, started_at, finished_at"

// Run is a row of analysis_runs.
type Run struct {
	ID         ID         `json:"id"`
	TopicID    *ID        `json:"topic_id"`
	Status     string     `json:"status"` // running, completed, failed
	Error      *string    `json:"error"`
	StartedAt  time.Time  `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

func (a *API) runs(r *http.Request) (reply, error) {
	return list[Run](a, r, "SELECT "+runColumns+" FROM analysis_runs ORDER BY id")
}

func (a *API) run(r *http.Request) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	return read[Run](a, r, "SELECT "+runColumns+" FROM analysis_runs WHERE id = $1", id)
}

func (a *API) createRun(r *http.Request) (reply, error) {
	var in struct {
		TopicID *ID `json:"topic_id"`
	}
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	return write[Run](a, r, http.StatusCreated,
		"INSERT INTO analysis_runs (topic_id) VALUES ($1) RETURNING "+runColumns, in.TopicID)
}

// updateRun ends a run.
func (a *API) updateRun(r *http.Request) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Status string
		Error  *string
	}
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	if in.Status != "completed" && in.Status != "failed" {
		return reply{}, refusal{http.StatusUnprocessableEntity, "status is completed or failed"}
	}
	if err := optional("error", in.Error, maxContent); err != nil {
		return reply{}, err
	}
	return write[Run](a, r, http.StatusOK, `
		UPDATE analysis_runs SET status = $2, error = $3, finished_at = now()
		WHERE id = $1 RETURNING `+runColumns, id, in.Status, in.Error)
}

package chat

import "net/http"

// Dashboard counts what there is for everybody.
type Dashboard struct {
	Messages         int `json:"messages"`
	Projects         int `json:"projects"`
	ProposalsPending int `json:"proposals_pending"`
	RunsRunning      int `json:"runs_running"`
	Atoms            int `json:"atoms"`
}

func (a *API) dashboard(r *http.Request) (reply, error) {
	return read[Dashboard](a, r, `SELECT
		(SELECT count(*) FROM messages WHERE feed IS NOT NULL) AS messages,
		(SELECT count(*) FROM projects) AS projects,
		(SELECT count(*) FROM proposals WHERE status = 'pending') AS proposals_pending,
		(SELECT count(*) FROM analysis_runs WHERE status = 'running') AS runs_running,
		(SELECT count(*) FROM knowledge_atoms) AS atoms`)
}

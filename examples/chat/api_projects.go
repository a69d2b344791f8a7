package chat

import (
	"net/http"
	"time"
)

const projectColumns = "id, name, archived, created_at"

// Project is a row of projects.
type Project struct {
	ID        ID        `json:"id"`
	Name      string    `json:"name"`
	Archived  bool      `json:"archived"`
	CreatedAt time.Time `json:"created_at"`
}

func (a *API) projects(r *http.Request) (reply, error) {
	return list[Project](a, r, "SELECT "+projectColumns+" FROM projects ORDER BY id")
}

func (a *API) project(r *http.Request) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	return read[Project](a, r, "SELECT "+projectColumns+" FROM projects WHERE id = $1", id)
}

func (a *API) createProject(r *http.Request) (reply, error) {
	var in struct{ Name string }
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	if err := text("name", in.Name, maxName); err != nil {
		return reply{}, err
	}
	return write[Project](a, r, http.StatusCreated,
		"INSERT INTO projects (name) VALUES ($1) RETURNING "+projectColumns, in.Name)
}

func (a *API) updateProject(r *http.Request) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Name     *string
		Archived *bool
	}
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	if err := optional("name", in.Name, maxName); err != nil {
		return reply{}, err
	}
	return write[Project](a, r, http.StatusOK, `
		UPDATE projects SET name = coalesce($2, name), archived = coalesce($3, archived)
		WHERE id = $1 RETURNING `+projectColumns, id, in.Name, in.Archived)
}

func (a *API) deleteProject(r *http.Request) (reply, error) {
	id, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	return write[Project](a, r, http.StatusNoContent, "DELETE FROM projects WHERE id = $1 RETURNING "+projectColumns, id)
}

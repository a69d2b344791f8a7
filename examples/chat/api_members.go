package chat

import "net/http"

const memberColumns = "member, (SELECT name FROM users WHERE id = member) AS name, owner"

// Member is a row of memberships, and its user's name.
type Member struct {
	Member string `json:"member"`
	Name   string `json:"name"`
	Owner  bool   `json:"owner"`
}

func (a *API) members(r *http.Request) (reply, error) {
	topic, err := pathID(r)
	if err != nil {
		return reply{}, err
	}
	if err := a.admit(r, topic); err != nil {
		return reply{}, err
	}
	return list[Member](a, r, "SELECT "+memberColumns+" FROM memberships WHERE topic_id = $1 ORDER BY owner DESC, name", topic)
}

func (a *API) addMember(r *http.Request) (reply, error) {
	topic, err := a.owned(r)
	if err != nil {
		return reply{}, err
	}
	var in struct{ Member string }
	if err := decode(r, &in); err != nil {
		return reply{}, err
	}
	return write[Member](a, r, http.StatusCreated,
		"INSERT INTO memberships (topic_id, member) VALUES ($1, $2) RETURNING "+memberColumns, topic, in.Member)
}

// removeMember removes anybody but the owner. That an open page is shown nothing
// more is the work of rowcast.watch_access.
func (a *API) removeMember(r *http.Request) (reply, error) {
	topic, err := a.owned(r)
	if err != nil {
		return reply{}, err
	}
	return write[Member](a, r, http.StatusNoContent,
		"DELETE FROM memberships WHERE topic_id = $1 AND member = $2 AND NOT owner RETURNING "+memberColumns,
		topic, r.PathValue("member"))
}

// owned is the {id} of the route: a topic that is the caller's.
func (a *API) owned(r *http.Request) (ID, error) {
	topic, claims, err := a.pathAndClaims(r)
	if err != nil {
		return 0, err
	}
	is, err := one[struct{ Owner bool }](r.Context(), a.db, `
		SELECT EXISTS (SELECT FROM memberships WHERE topic_id = $1 AND member = $2::jsonb->>'sub' AND owner) AS owner`, topic, claims)
	if err == nil && !is.Owner {
		err = refusal{http.StatusForbidden, "only its owner may"}
	}
	return topic, err
}

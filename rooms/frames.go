package rooms

import (
	"encoding/json"
	"time"
)

// Denial says why a topic was not joined.
type Denial struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Welcome is the payload of a $welcome.
type Welcome struct {
	Session   string
	Heartbeat time.Duration
	Topics    int // the most topics of one connection
	Cursor    string
	Schema    string // of the events; "" if it is not known
}

// Joined is the answer to a join.
type Joined struct {
	Topics    []string
	Denied    map[string]Denial
	Replayed  int
	Recovered *bool // nil: neither since nor lookback was asked for
	Cursor    string
}

// millis is a duration as the protocol writes it.
func millis(d time.Duration) int64 { return d.Milliseconds() }

// clock is a time as the protocol writes it.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// WelcomeFrame tells a client that it is connected.
func WelcomeFrame(w Welcome) []byte {
	type limits struct {
		Topics int `json:"topics"`
	}
	return control("$welcome", nil, struct {
		Session   string `json:"session"`
		Protocol  string `json:"protocol"`
		Heartbeat int64  `json:"heartbeat_ms"`
		Limits    limits `json:"limits"`
		Cursor    string `json:"cursor"`
		Schema    string `json:"schema,omitempty"`
	}{w.Session, "rowcast.v1", millis(w.Heartbeat), limits{w.Topics}, w.Cursor, w.Schema})
}

// AuthedFrame answers an auth. The token expires after left; 0 is never.
func AuthedFrame(ref json.RawMessage, left time.Duration) []byte {
	return control("$authed", ref, struct {
		ExpiresIn int64 `json:"expires_in_ms,omitempty"`
	}{millis(left)})
}

// TokenExpiringFrame asks for a fresh token, before left has passed.
func TokenExpiringFrame(left time.Duration) []byte {
	return control("$token_expiring", nil, struct {
		In int64 `json:"in_ms"`
	}{millis(left)})
}

// JoinedFrame answers a join.
func JoinedFrame(ref json.RawMessage, j Joined) []byte {
	return control("$joined", ref, struct {
		Topics    []string          `json:"topics"`
		Denied    map[string]Denial `json:"denied,omitempty"`
		Replayed  int               `json:"replayed"`
		Recovered *bool             `json:"recovered,omitempty"`
		Cursor    string            `json:"cursor"`
	}{array(j.Topics), j.Denied, j.Replayed, j.Recovered, j.Cursor})
}

// LeftFrame answers a leave.
func LeftFrame(ref json.RawMessage, topics []string) []byte {
	return control("$left", ref, struct {
		Topics []string `json:"topics"`
	}{array(topics)})
}

// RevokedFrame tells a client that it is no longer in the topics.
func RevokedFrame(topics []string) []byte {
	return control("$left", nil, struct {
		Topics []string `json:"topics"`
		Code   string   `json:"code"`
	}{array(topics), "revoked"})
}

// ErrorFrame reports a fault of a client's frame or of its connection.
func ErrorFrame(ref json.RawMessage, code Code, message string) []byte {
	return control("$error", ref, Denial{code, message})
}

// PingFrame brings a quiet connection its cursor.
func PingFrame(cursor string, at time.Time) []byte {
	return control("$ping", nil, struct {
		Cursor string `json:"cursor"`
		At     string `json:"at"`
	}{cursor, clock(at)})
}

// PongFrame answers a ping.
func PongFrame(ref json.RawMessage, at time.Time) []byte {
	return control("$pong", ref, struct {
		At string `json:"at"`
	}{clock(at)})
}

// ResyncFrame tells a client to refetch what the topics feed, within spread.
func ResyncFrame(topics []string, reason Reason, spread time.Duration, cursor string) []byte {
	return control("$resync", nil, struct {
		Topics []string `json:"topics"`
		Reason Reason   `json:"reason"`
		Spread int64    `json:"spread_ms"`
		Cursor string   `json:"cursor"`
	}{array(topics), reason, millis(spread), cursor})
}

// ByeFrame is the last frame before an announced close.
func ByeFrame(code int, reconnect bool, retryAfter time.Duration) []byte {
	return control("$bye", nil, struct {
		Code       int   `json:"code"`
		Reconnect  bool  `json:"reconnect"`
		RetryAfter int64 `json:"retry_after_ms"`
	}{code, reconnect, millis(retryAfter)})
}

// control encodes a control frame. A ref comes from a client's frame; one that
// is no JSON value is left out, it is the only part that could fail.
func control(kind string, ref json.RawMessage, payload any) []byte {
	if !json.Valid(ref) {
		ref = nil
	}
	b, err := json.Marshal(struct {
		Type    string          `json:"type"`
		Ref     json.RawMessage `json:"ref,omitempty"`
		Payload any             `json:"payload"`
	}{kind, ref, payload})
	if err != nil {
		panic("rooms: encode control frame: " + err.Error())
	}
	return b
}

// array makes no topics [] instead of null.
func array(topics []string) []string {
	if topics == nil {
		return []string{}
	}
	return topics
}

package pglisten

import "encoding/json"

// Watch is a watched table: what rowcast.watch() or rowcast.watch_access() was
// told, joined with the live catalogue. Immutable: a reload makes new ones.
type Watch struct {
	ID            int32
	Schema        string
	Table         string
	Entity        string   // "message": the events' type prefix and the row's field name
	TopicColumn   string   // "" if the table has none
	SubjectColumn string   // whose access to the topics a row is; "" in a watch of events
	Templates     []string // topic templates, e.g. "topic_{topic_id}"
	Key           []string // primary key columns in key order
	Columns       []Column // live, captured columns in table order
	Ops           []string // "insert", "update", "delete", "truncate"
	IncludeOld    bool
	Unchanged     bool // send updates that changed nothing
	Derive        []Derive
	Hidden        bool // the canary's: nobody is told of it

	known map[string]bool // every column of the table, captured or not
}

// Column is a column of a watched table or a field of a composite type.
type Column struct {
	Name     string
	Nullable bool
	Type     *Type
}

// Kind says how a value is written on the wire.
type Kind byte

// The kinds of values. Domains are resolved to their base type.
const (
	Text      Kind = iota // whatever Postgres prints, as a JSON string
	Number                // int2, int4: a JSON number
	Float                 // float4, float8: a JSON number; NaN and the infinities as strings
	Exact                 // int8, numeric, money: digits as a JSON string
	Bool                  //
	JSON                  // json, jsonb: as it is, compacted
	Timestamp             // timestamptz: RFC 3339 in UTC
	Bytes                 // bytea: base64
	Array                 // Elem says of what; any number of dimensions
	Composite             // Fields, in order
)

// Type is how a column's values are written on the wire.
type Type struct {
	Kind   Kind
	Name   string   // as format_type prints it
	Enum   []string // the labels of an enum, in their order; nil for all else
	Elem   *Type
	Dims   int // of an array, as it was declared; Postgres holds nobody to it
	Fields []Column
}

// Derive is one rule of a watch's derived events.
type Derive struct {
	Type    string            `json:"type"`
	On      string            `json:"on"` // "insert", "update" or "delete"
	Column  string            `json:"column"`
	Becomes json.RawMessage   `json:"becomes,omitempty"` // on update: changed to this value
	Equals  json.RawMessage   `json:"equals,omitempty"`  // has this value
	Changes bool              `json:"changes,omitempty"` // on update: changed to anything
	Fields  map[string]string `json:"fields,omitempty"`  // payload field → column
}

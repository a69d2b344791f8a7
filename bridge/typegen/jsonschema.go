package typegen

import (
	"bytes"
	"encoding/json"
)

// JSONSchema returns a JSON Schema (draft 2020-12) of the events as they come
// over the wire. Events of types that it does not have are no events of watched
// tables.
func (m *Model) JSONSchema() []byte {
	oneOf := make([]jsonObject, len(m.events))
	for i, e := range m.events {
		oneOf[i] = shared(e.typ).schema()
	}
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	err := out.Encode(struct {
		Schema  string       `json:"$schema"`
		Comment string       `json:"$comment"`
		OneOf   []jsonObject `json:"oneOf,omitempty"`
		Defs    jsonObject   `json:"$defs"`
	}{
		"https://json-schema.org/draft/2020-12/schema",
		"Made by `rowcast types` from the watched tables, schema " + m.Hash() + ". Do not edit; renew it with: rowcast types --lang jsonschema --out FILE",
		oneOf, m.definitions(),
	})
	if err != nil {
		panic("typegen: encode schema: " + err.Error()) // it is made of maps and strings
	}
	return b.Bytes()
}

// definitions are the event types, the rows and what they are made of.
func (m *Model) definitions() jsonObject {
	topics := make([]jsonObject, len(m.topics))
	for i, t := range m.topics {
		topics[i] = t.schema()
	}
	defs := jsonObject{
		nameTopic: jsonObject{"anyOf": topics},
		nameFloat: jsonObject{"anyOf": []jsonObject{{"type": "number"}, {"enum": notFinite}}},
		nameJSON:  jsonObject{},
	}
	for _, r := range m.rows {
		defs[r.name] = r.columns.schema()
	}
	for _, e := range m.events {
		looks := make(either, len(e.variants))
		for i, v := range e.variants {
			looks[i] = object{
				{name: "type", shape: constant{e.typ}},
				{name: "topics", shape: list{shared(nameTopic)}},
				{name: "payload", shape: v.payload},
				{name: "op", shape: constant{v.op}},
				{name: "id", shape: text},
				{name: "at", shape: text},
				{name: "mutation_id", shape: text, optional: true},
				{name: "cursor", shape: text},
			}
		}
		defs[e.typ] = looks.schema()
	}
	return defs
}

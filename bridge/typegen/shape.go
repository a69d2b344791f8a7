package typegen

import (
	"fmt"
	"slices"
	"strings"
)

// shape is what may stand in one place of an event.
type shape interface {
	typescript() string // on one line
	schema() jsonObject
}

// jsonObject is JSON Schema; encoding/json sorts its keys.
type jsonObject = map[string]any

type (
	// basic is a type both languages have a name for.
	basic struct{ ts, json string }
	// shared is a type that both declare once, by this name.
	shared string
	// constant is one value: true, or in JSON Schema also a string.
	constant struct{ value any }
	// labels is one of these strings.
	labels []string
	// list is an array of any length.
	list struct{ of shape }
	// either is one of several shapes.
	either []shape
	// object has these fields, by their names.
	object []field
	// absent is what a field has that is never there.
	absent struct{}
)

// field is a field of an object.
type field struct {
	name     string
	shape    shape
	optional bool
}

var (
	text    = basic{"string", "string"}
	integer = basic{"number", "integer"}
	boolean = basic{"boolean", "boolean"}
	null    = basic{"null", "null"}
)

// The names that every file may declare, and where the types of SQL come in.
const (
	nameJSON  = "Json"
	nameFloat = "Float"
	nameTopic = "Topic"
)

func (b basic) typescript() string { return b.ts }
func (b basic) schema() jsonObject { return jsonObject{"type": b.json} }

func (s shared) typescript() string { return string(s) }
func (s shared) schema() jsonObject { return jsonObject{"$ref": "#/$defs/" + string(s)} }

func (c constant) typescript() string { return fmt.Sprint(c.value) }
func (c constant) schema() jsonObject { return jsonObject{"const": c.value} }

func (l labels) typescript() string {
	quoted := make([]string, len(l))
	for i, label := range l {
		quoted[i] = quote(label)
	}
	return strings.Join(quoted, " | ")
}
func (l labels) schema() jsonObject { return jsonObject{"enum": []string(l)} }

func (l list) typescript() string {
	switch of := l.of.(type) {
	case either:
		return "(" + of.typescript() + ")[]"
	case labels:
		if len(of) > 1 {
			return "(" + of.typescript() + ")[]"
		}
	}
	return l.of.typescript() + "[]"
}
func (l list) schema() jsonObject { return jsonObject{"type": "array", "items": l.of.schema()} }

func (e either) typescript() string {
	texts := make([]string, len(e))
	for i, s := range e {
		texts[i] = s.typescript()
	}
	return strings.Join(texts, " | ")
}

func (e either) schema() jsonObject {
	schemas := make([]jsonObject, len(e))
	var types []string
	for i, s := range e {
		schemas[i] = s.schema()
		if b, isBasic := s.(basic); isBasic {
			types = append(types, b.json)
		}
	}
	switch len(e) {
	case 1:
		return schemas[0]
	case len(types):
		return jsonObject{"type": types}
	}
	return jsonObject{"anyOf": schemas}
}

func (o object) typescript() string {
	if len(o) == 0 {
		return "Record<string, never>"
	}
	fields := make([]string, len(o))
	for i, f := range o {
		fields[i] = f.key() + ": " + f.shape.typescript()
	}
	return "{ " + strings.Join(fields, "; ") + " }"
}

func (o object) schema() jsonObject {
	properties, required := jsonObject{}, []string{}
	for _, f := range o {
		if _, never := f.shape.(absent); never {
			properties[f.name] = false
			continue
		}
		properties[f.name] = f.shape.schema()
		if !f.optional {
			required = append(required, f.name)
		}
	}
	slices.Sort(required)
	return jsonObject{"type": "object", "properties": properties, "required": required}
}

// sorted returns the fields by their names.
func (o object) sorted() object {
	slices.SortFunc(o, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return o
}

// only returns the fields of these names.
func (o object) only(names []string) object {
	return slices.DeleteFunc(slices.Clone(o), func(f field) bool { return !slices.Contains(names, f.name) })
}

// partial returns the fields as they are where any of them may be left out.
func (o object) partial() object {
	o = slices.Clone(o)
	for i := range o {
		o[i].optional = true
	}
	return o
}

func (absent) typescript() string { return "never" }
func (absent) schema() jsonObject { return nil }

// key is the field's name and mark in TypeScript.
func (f field) key() string {
	if f.optional {
		return property(f.name) + "?"
	}
	return property(f.name)
}

// orNull adds null, unless the shape has it.
func orNull(s shape) shape {
	if name, isShared := s.(shared); isShared && name == nameJSON {
		return s
	}
	return either{s, null}
}

// row is what a whole row of an entity looks like. Shapes that show some of its
// columns refer to it by name.
type row struct {
	name    string
	columns object
	tables  []string // whose rows look like this
}

// view is a row, or a part of it.
type view struct {
	of      *row
	columns []string
	partial bool // each column only perhaps
}

func (v view) whole() bool { return len(v.columns) == len(v.of.columns) }

func (v view) typescript() string {
	s := v.of.name
	switch {
	case len(v.columns) == 0:
		return object{}.typescript()
	case !v.whole():
		s = "Pick<" + s + ", " + labels(v.columns).typescript() + ">"
	}
	if v.partial {
		return "Partial<" + s + ">"
	}
	return s
}

func (v view) schema() jsonObject {
	switch {
	case v.partial:
		return v.of.columns.only(v.columns).partial().schema()
	case v.whole():
		return shared(v.of.name).schema()
	}
	return v.of.columns.only(v.columns).schema()
}

// columnNames is a list of names of a row's columns.
type columnNames struct{ of *row }

func (c columnNames) typescript() string { return "(keyof " + c.of.name + ")[]" }

func (c columnNames) schema() jsonObject {
	if len(c.of.columns) == 0 {
		return jsonObject{"type": "array", "maxItems": 0}
	}
	names := labels{}
	for _, column := range c.of.columns {
		names = append(names, column.name)
	}
	return list{names}.schema()
}

package bridge

import (
	"encoding/json"
	"strings"

	"rowcast/pglisten"
)

// frameCases are the changes behind the golden frames.
func frameCases() []frameCase {
	const I, U, D, E = pglisten.Insert, pglisten.Update, pglisten.Delete, pglisten.Emit
	cutRow := `{"id":981,"topic_id":7}`
	cutMoved := `{"id":981,"topic_id":8}`
	long := strings.Replace(messageRow, "hi", strings.Repeat("long ", 1000), 1)
	longEdited := strings.Replace(long, "long", "longer", 1)
	longMoved := strings.Replace(longEdited, `"topic_id":7`, `"topic_id":8`, 1)
	rekeyed := strings.Replace(editedRow, "981", "982", 1)
	return []frameCase{
		{changeOf(watchMessages(), I, messageRow, "", withMutation), []string{"message_created"}},
		{changeOf(watchMessages(), I, messageRow, "", withMicros), []string{"message_created_micros"}},
		{changeOf(watchMessages(), U, editedRow, messageRow), []string{"message_updated"}},
		{changeOf(watchMessages(withOld), U, editedRow, messageRow), []string{"message_updated_include_old"}},
		{changeOf(watchMessages(withUnchanged), U, messageRow, messageRow), []string{"message_updated_unchanged"}},
		{changeOf(watchMessages(), U, rekeyed, messageRow), []string{"message_updated_key"}},
		{changeOf(watchMessages(), D, messageRow, ""), []string{"message_deleted"}},
		{changeOf(watchMessages(withOld), D, messageRow, ""), []string{"message_deleted_include_old"}},

		{changeOf(watchMessages(), U, movedRow, messageRow), []string{"message_moved_deleted", "message_moved_updated"}},
		{changeOf(watchMessages(), U, strings.Replace(movedRow, "8,", "null,", 1), messageRow), []string{"message_moved_away_deleted", "message_moved_away_updated"}},

		{changeOf(watchMessages(), I, cutRow, "", cutNew()), []string{"message_created_truncated"}},
		{changeOf(watchMessages(withOld), U, cutRow, cutRow, cutNew("content", "dropped"), cutOld("content", "dropped")), []string{"message_updated_truncated"}},
		{changeOf(watchMessages(withOld), U, editedRow, cutRow, cutOld("content")), []string{"message_updated_old_cut"}},
		{changeOf(watchMessages(withOld), D, cutRow, "", cutNew()), []string{"message_deleted_truncated"}},
		{changeOf(watchMessages(), U, cutMoved, messageRow, cutNew("topic_id", "content")), []string{"message_moved_truncated_deleted", "message_moved_truncated_updated"}},
		{changeOf(watchMessages(), I, long, ""), []string{"message_created_over_event_bytes"}},
		{changeOf(watchMessages(withOld), U, longEdited, long), []string{"message_updated_over_event_bytes"}},
		{changeOf(watchMessages(), U, longMoved, long), []string{"message_moved_over_event_bytes_deleted", "message_moved_over_event_bytes_updated"}},

		{changeOf(watchMessages(withoutTopic), I, messageRow, ""), []string{"message_created_without_topic"}},
		{changeOf(watchMessages(), I, strings.Replace(messageRow, "7,", "null,", 1), ""), []string{"message_created_null_topic"}},
		{changeOf(watchMemberships(), I, `{"user_id":3,"project":"a,b","role":"owner"}`, ""), []string{"membership_created_composite_key"}},
		{changeOf(watchMemberships(func(w *pglisten.Watch) { w.Key = nil }), D, `{"user_id":3,"project":"ab","role":"owner"}`, ""), []string{"membership_deleted_without_key"}},

		{
			changeOf(watchProposals(), U, `{"id":5,"project_id":2,"status":"approved","error":null}`, `{"id":5,"project_id":2,"status":"open","error":null}`),
			[]string{"proposal_approved_updated", "proposal_approved"},
		},
		{
			changeOf(watchProposals(), U, `{"id":5,"project_id":3,"status":"approved","error":"late"}`, `{"id":5,"project_id":2,"status":"open","error":null}`),
			[]string{"proposal_approved_moved_deleted", "proposal_approved_moved_updated", "proposal_approved_moved", "proposal_failed_moved"},
		},
		{changeOf(watchProposals(), I, `{"id":5,"project_id":2,"status":"open","error":null}`, ""), []string{"proposal_opened_created", "proposal_opened"}},
		{changeOf(watchProposals(), D, `{"id":5,"project_id":2,"status":"open","error":null}`, ""), []string{"proposal_withdrawn_deleted", "proposal_withdrawn"}},

		{changeOf(nil, E, `{ "topic_id": 7, "typing": [ true ] }`, "", emitted("typing_started", "topic_7", "topic_7"), withMutation), []string{"emit"}},
		{changeOf(nil, E, `{"topic_id":"7"}`, "", emitted("typing_started", "topic_7"), cutNew()), []string{"emit_truncated"}},
		{changeOf(nil, E, `{"topic_id":7,"text":"`+strings.Repeat("long ", 1000)+`"}`, "", emitted("typing_started", "topic_7")), []string{"emit_over_event_bytes"}},
		{changeOf(nil, E, `{"text":"`+strings.Repeat("long ", 1000)+`"}`, "", emitted("typing_started", "topic_7")), []string{"emit_over_event_bytes_without_topic"}},

		{changeOf(everyType(), I, everyTypeRow, ""), []string{"value_types"}},
		{changeOf(watchMessages(), I, strings.Replace(messageRow, "hi", `\"quoted\" \\ \u0000 \u001f </script> é \u2028 😀`, 1), ""), []string{"message_created_escapes"}},
	}
}

func watchMemberships(change ...func(w *pglisten.Watch)) *pglisten.Watch {
	w := &pglisten.Watch{
		ID: 2, Schema: "public", Table: "memberships", Entity: "membership",
		Templates: []string{"user_{user_id}"}, Key: []string{"project", "user_id"},
		Columns: []pglisten.Column{{Name: "user_id", Type: numType}, {Name: "project", Type: textType}, {Name: "role", Type: textType}},
	}
	for _, f := range change {
		f(w)
	}
	return w
}

func watchProposals() *pglisten.Watch {
	return &pglisten.Watch{
		ID: 3, Schema: "public", Table: "proposals", Entity: "proposal",
		TopicColumn: "project_id", Templates: []string{"project_{project_id}"}, Key: []string{"id"},
		Columns: []pglisten.Column{
			{Name: "id", Type: exactType},
			{Name: "project_id", Type: exactType},
			{Name: "status", Type: textType},
			{Name: "error", Type: textType},
		},
		Derive: []pglisten.Derive{
			{Type: "proposal_approved", On: "update", Column: "status", Becomes: json.RawMessage(`"approved"`)},
			{Type: "proposal_failed", On: "update", Column: "error", Changes: true, Fields: map[string]string{"proposal": "id", "error": "error", "id": "status", "gone": "gone"}},
			{Type: "proposal_opened", On: "insert", Column: "status", Equals: json.RawMessage(`"open"`)},
			{Type: "proposal_withdrawn", On: "delete", Fields: map[string]string{"status": "status"}},
			{Type: "Bad Type", On: "insert"},
		},
	}
}

func everyType() *pglisten.Watch {
	return &pglisten.Watch{
		ID: 4, Schema: "public", Table: "things", Entity: "thing", Templates: []string{"things"}, Key: []string{"id"},
		Columns: []pglisten.Column{
			{Name: "id", Type: exactType},
			{Name: "int2", Type: numType},
			{Name: "int8", Type: exactType},
			{Name: "numeric", Type: exactType},
			{Name: "money", Type: exactType},
			{Name: "float8", Type: numType},
			{Name: "float8_nan", Type: numType},
			{Name: "numeric_nan", Type: exactType},
			{Name: "bool", Type: boolType},
			{Name: "json", Type: jsonType},
			{Name: "jsonb", Type: jsonType},
			{Name: "timestamptz", Type: timeType},
			{Name: "infinity", Type: timeType},
			{Name: "timestamp", Type: textType},
			{Name: "date", Type: textType},
			{Name: "bytea", Type: byteType},
			{Name: "bytea_escape", Type: byteType},
			{Name: "uuid", Type: textType},
			{Name: "null", Type: boolType},
			{Name: "int8_array", Type: arrayOf(exactType)},
			{Name: "text_array", Type: arrayOf(textType)},
			{Name: "composite", Type: compositeOf(pglisten.Column{Name: "n", Type: exactType}, pglisten.Column{Name: "at", Type: timeType})},
		},
	}
}

const everyTypeRow = `{"id":1,"int2":-3,"int8":9223372036854775807,"numeric":12345678901234567890.10,"money":"$1,234.50",` +
	`"float8":1e-07,"float8_nan":"NaN","numeric_nan":"NaN","bool":true,"json":{"a" : [1,
	2], "a": "\u0000"},"jsonb":{"n": 123456789012345678901234567890, "a b": null},` +
	`"timestamptz":"2026-11-23T06:27:55.1+05:45","infinity":"infinity","timestamp":"2026-11-23T00:42:55.1","date":"2026-11-23",` +
	`"bytea":"\\x00ff10","bytea_escape":"a\\000\\377","uuid":"0b6b2e9e-6f0a-4d7e-9f57-0a4b7cf7a5f1","null":null,` +
	`"int8_array":[[1,2],[null,4]],"text_array":["a,b","\"c\"",null],"composite":{"n":7,"at":"2026-11-23T00:42:55+00:00"}}`

package migrations_test

import (
	"fmt"
	"strings"
	"testing"
)

// The attacker may INSERT into a watched table, and make types, functions and
// operators of his own. The trigger functions run as another role; were they to
// use anything of his, his code would run as that role.

// loot is where the attacker's functions write who runs them.
const loot = `
CREATE TABLE loot (who name, what text);
GRANT INSERT, SELECT ON loot TO PUBLIC;
CREATE ROLE %[1]s LOGIN;
CREATE SCHEMA evil AUTHORIZATION %[1]s;
GRANT USAGE ON SCHEMA evil TO PUBLIC;`

func TestAttack_types_functions_and_operators(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		attacker := "attacker_" + d.name
		d.admin.exec(fmt.Sprintf(loot, attacker))
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, topic_id text, body text, j json); GRANT INSERT, UPDATE, DELETE, TRUNCATE, SELECT ON n TO " + attacker)

		evil := d.session(t, attacker)
		evil.exec(`CREATE FUNCTION evil.loot(what text) RETURNS boolean LANGUAGE plpgsql AS $$
			BEGIN
			  IF current_user <> session_user THEN INSERT INTO public.loot VALUES (current_user, what); END IF;
			  RETURN true;
			END $$`)
		// A domain whose constraint robs, for each type that a name could find.
		for _, schema := range []string{"evil", "pg_temp"} {
			for _, typ := range []string{"text", "json", "jsonb", "name", "oid", "xid8", "timestamptz", "int2", "int4", "int8", "bool", "regclass", "record", "float8", "numeric", "interval", "pg_snapshot"} {
				if typ == "record" {
					continue
				}
				evil.exec(fmt.Sprintf(`CREATE DOMAIN %s.%s AS pg_catalog.%[2]s CHECK (evil.loot('type %[2]s'))`, schema, typ))
			}
		}
		evil.exec("SET search_path = public, evil")
		// Each function and operator of pg_catalog that the SQL could mean, with the same arguments.
		makeAll := evil.text(`
			SELECT string_agg(format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN PERFORM evil.loot(%L); RETURN%s; END $f$;',
			         p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid), p.prorettype::pg_catalog.regtype, 'function ' || p.proname,
			         CASE WHEN p.prorettype OPERATOR(pg_catalog.<>) 'void'::pg_catalog.regtype THEN ' NULL' END), E'\n')
			  FROM pg_catalog.pg_proc p
			 WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND p.prokind = 'f' AND NOT p.proretset
			   AND p.proname OPERATOR(pg_catalog.=) ANY ('{abs,clock_timestamp,date_part,current_setting,set_config,left,length,octet_length,pg_notify,pg_sequence_last_value,pg_current_xact_id,pg_current_xact_id_if_assigned,
			       cardinality,quote_nullable,replace,jsonb_typeof,textlen,pg_relation_size}'::pg_catalog.text[])
			   AND pg_catalog.strpos(pg_catalog.pg_get_function_identity_arguments(p.oid), 'any') OPERATOR(pg_catalog.=) 0`)
		evil.exec(makeAll)
		evil.exec(`CREATE FUNCTION evil.pg_column_size(record) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.loot('function pg_column_size'); RETURN 1; END $$;
			CREATE FUNCTION evil.row_to_json(record) RETURNS json LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.loot('function row_to_json'); RETURN NULL; END $$`)
		operators := evil.text(`
			SELECT string_agg(format('CREATE FUNCTION evil.op_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN PERFORM evil.loot(%L); RETURN NULL; END $f$; CREATE OPERATOR evil.%s (FUNCTION = evil.op_%1$s, LEFTARG = %2$s, RIGHTARG = %3$s);',
			         o.oid, o.oprleft::pg_catalog.regtype, o.oprright::pg_catalog.regtype, o.oprresult::pg_catalog.regtype, 'operator ' || o.oprname, o.oprname), E'\n')
			  FROM pg_catalog.pg_operator o
			 WHERE o.oprname OPERATOR(pg_catalog.=) ANY ('{=,<>,<,>,<=,>=,+,-,*,/,%,||,*=,*<>,~,!~,->,->>,&&,@>}'::pg_catalog.text[])
			   AND o.oprleft OPERATOR(pg_catalog.=) ANY ('{text,json,jsonb,int2,int4,int8,bool,oid,name,xid8,float8,char,"\"char\"",timestamptz,numeric}'::pg_catalog.regtype[])
			   AND o.oprright OPERATOR(pg_catalog.<>) 'unknown'::pg_catalog.regtype`)
		evil.exec(operators)
		evil.exec("CREATE FUNCTION evil.op_record(record, record) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.loot('operator on rows'); RETURN true; END $$")
		for _, operator := range []string{"=", "<>", "*=", "*<>"} {
			evil.exec("CREATE OPERATOR evil." + operator + " (FUNCTION = evil.op_record, LEFTARG = record, RIGHTARG = record)")
		}
		for _, relation := range []string{"log", "watch", "silence", "doorbell", "rowcast_new", "rowcast_old", "pg_class", "x", "n", "o", "u", "l"} {
			evil.exec("CREATE VIEW evil." + relation + " AS SELECT evil.loot('relation') AS id")
			evil.exec("CREATE TEMP VIEW " + relation + " AS SELECT evil.loot('relation') AS id")
		}

		d.admin.exec("SELECT rowcast.grant_emit('" + attacker + "'), rowcast.grant_revoke('" + attacker + "'); GRANT EXECUTE ON FUNCTION rowcast.bulk(regclass) TO " + attacker)
		for _, path := range []string{"evil, pg_catalog, public", "pg_temp, evil, pg_catalog", "public, evil, pg_temp"} {
			evil.exec("SET search_path = " + path)
			for _, way := range ways("'n', 'topic_id'", "topic_id", "", ", exclude => '{body}'", ", level => 'statement'", ", level => 'statement', exclude => '{body}'", ", max_bytes => 1", ", max_bytes => 1, level => 'statement'") {
				watches := d.watchOnly(way)
				evil.exec("INSERT INTO public.n VALUES (1, 'a', 'b', '{}'); UPDATE public.n SET topic_id = 'c'; DELETE FROM public.n; TRUNCATE public.n")
				if n := len(d.log()); n != 4*watches {
					t.Errorf("search_path %s, %s: %d log rows, want 4 of each watch", path, way, n)
				}
			}
			evil.exec("SELECT rowcast.emit('x', '{\"a\": 1}', '{t}')")
			evil.exec("SELECT rowcast.revoke('olena', 't'), rowcast.revoke('*', '*')")
			evil.fails("SELECT rowcast.revoke('', 't')", "1 to 1000 characters")
			evil.exec("SELECT rowcast.emit('x', pg_catalog.jsonb_build_object('topic_id', 7, 'a', pg_catalog.repeat('x', 2000000)), '{t}')")
			evil.exec("BEGIN; SELECT rowcast.bulk('public.n'); INSERT INTO public.n VALUES (2); COMMIT; DELETE FROM public.n")
			d.log()
		}
		if got := d.admin.text("SELECT string_agg(DISTINCT format('%s: %s', who, what), E'\n') FROM loot"); got != "" {
			t.Errorf("the attacker's code ran as another:\n%s", got)
		}
	})
}

func TestAttack_nothing_is_public(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int)")
		d.admin.exec("SELECT rowcast.watch('n')")
		for _, sql := range []string{
			"SELECT * FROM rowcast.log", "SELECT * FROM rowcast.log_0", "SELECT * FROM rowcast.watches", "SELECT rowcast.emit('a', '{}', '{t}')", "SELECT rowcast.bulk('n')", "SELECT rowcast.revoke('*', '*')",
			"SELECT rowcast.unwatch_access('n')", "SELECT rowcast.stop_watch('n', false)",
			"SELECT setval('rowcast.doorbell', 1)", "SELECT rowcast.rotate(pg_current_snapshot())", "SELECT rowcast.new_epoch()",
			"CREATE TEMP TABLE mine (id int); CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION rowcast.capture_row('1', '1', 'whole', 'changed')",
		} {
			d.app.fails(sql, "permission denied")
		}
	})
}

// Anybody can set rowcast.bulk; only bulk() silences.
func TestAttack_forged_silence(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int)")
		d.admin.exec("SELECT rowcast.watch('n')")
		d.app.exec("BEGIN; SELECT set_config('rowcast.bulk', 'on', true); INSERT INTO n VALUES (1); COMMIT")
		d.logged(`I {"id":1}`)
	})
}

// No name in the trigger functions is left to the search path: every word that
// is followed by a parenthesis, and every cast and operator, is qualified.
func TestAttack_bodies_are_qualified(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.admin.exec("CREATE TABLE n (id int PRIMARY KEY, a text)")
		d.admin.exec("SELECT rowcast.watch('n'), rowcast.watch_access('n', 'a', array['{id}'], columns => '{}')")
		rows, err := d.admin.Query(t.Context(), `
			SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'rowcast'::regnamespace AND proconfig IS NULL
			UNION ALL SELECT op || level, rowcast.log_statement(watch, 'n'::regclass, op, level = ' row') FROM unnest('{INSERT,UPDATE,DELETE}'::text[]) op, unnest('{" row"," statement"}'::text[]) level, generate_series(1, 2) watch
			UNION ALL SELECT 'json_statement', rowcast.json_statement(watch, 'n'::regclass, 'UPDATE') FROM generate_series(1, 2) watch`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		checked := 0
		for rows.Next() {
			var name, body string
			if err := rows.Scan(&name, &body); err != nil {
				t.Fatal(err)
			}
			checked++
			for _, fault := range unqualified(body) {
				t.Errorf("%s: %s", name, fault)
			}
		}
		if checked < 15 {
			t.Errorf("only %d bodies", checked)
		}
	})
}

// unqualified finds operators, casts and calls that the search path decides.
func unqualified(body string) (faults []string) {
	body = comment.ReplaceAllString(body, "")
	body = quoted.ReplaceAllString(body, "''")
	for _, m := range qualifiedOperator.FindAllString(body, -1) {
		body = strings.Replace(body, m, ",", 1)
	}
	faults = append(faults, bareCast.FindAllString(body, -1)...)
	for _, m := range bareCall.FindAllStringSubmatch(body, -1) {
		if !keyword[strings.ToUpper(m[1])] {
			faults = append(faults, m[0])
		}
	}
	body = strings.NewReplacer("::", "", ":=", "", ".*", "", "(*)", "", "ERRCODE =", "", "logged =", "", "IN ARRAY", "").Replace(body)
	return append(faults, bareOperator.FindAllString(body, -1)...)
}

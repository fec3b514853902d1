package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cmd/clstr/internal/stored"
	"github.com/clstr-go/clstr/state"
)

// TestStateExports: a document is stored again as the same bytes, and foreign ones are refused.
func TestStateExports(t *testing.T) {
	s := newFilled(t, "C1")
	for i, body := range []string{`{"Balance":10}`, `{"a":1.0e1,"b":[],"c":"<&>\u00e9é"}`, `null`, `{ "spaces" : 1 }`, "{\"c\":\"\u009b\"}", "{\"bad\":\"\xff\"}", `"x"`, ``} {
		typ := "json"
		if body == "" || strings.Contains(body, " :") {
			typ = "protobuf"
		}
		key := fmt.Sprint("k", i)
		r := state.Record{Number: 4, Version: 2, Type: typ, State: []byte(body), TTL: 90 * time.Minute, Mailed: 5, Commands: []state.Command{{ID: []byte("0123456789abcdef"), Sum: []byte("01234567"), Reply: []byte("r")}}}
		s.put("account", key, r)
		file := filepath.Join(t.TempDir(), "doc.json")
		out := s.run("state", "export", "account", key).out
		if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		if typ == "protobuf" && body != "" {
			continue // not well-formed: refused below
		}
		s.put("account", key, state.Record{Number: 9, Version: 2, Type: typ, State: []byte(`7`), Mailed: 8})
		if typ == "protobuf" {
			s.put("account", key, state.Record{Number: 9, Version: 2, Type: typ, State: []byte("\x08\x01"), Mailed: 8})
		}
		w := decode[writtenJSON](t, s.want(0, "", "state", "import", "account", key, file, "--yes", "--json").out)
		got := s.record("account", key)
		if string(got.State) != body || got.Number != 10 || w.Number != 10 || got.Version != 2 || got.Type != typ || got.TTL != r.TTL || got.Mailed != 8 || len(got.Commands) != 1 || string(got.Commands[0].Reply) != "r" {
			t.Errorf("%q: stored %+v with %q", body, got, got.State)
		}
	}
	doc := func(text string, args ...any) string {
		file := filepath.Join(t.TempDir(), "doc.json")
		if err := os.WriteFile(file, fmt.Appendf(nil, text, args...), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	byHand := doc(`{"clstr_state": 1, "kind": "account", "key": "new", "record": {"t": "json", "v": 3}, "state": {"Balance": 1}}`)
	s.want(exitRefused, "takes the state of shard", "state", "import", "account", "k0", byHand, "--force") // not asked, and an owner
	s.want(0, "stored account new: change 1", "state", "import", "account", "new", byHand, "--yes")
	if got := s.record("account", "new"); string(got.State) != `{"Balance":1}` || got.Version != 3 || got.Number != 1 || got.Epoch != 3 && got.Epoch != 0 {
		t.Errorf("%+v", got)
	}
	s.want(exitRefused, "it is of account new; it has version 3, and version 2 is stored", "state", "import", "account", "k0", byHand, "--yes")
	s.want(exitRefused, `"code": "foreign"`, "state", "import", "other", "new", byHand, "--yes", "--json")
	s.want(0, "change 11", "state", "import", "account", "k0", byHand, "--yes", "--force")
	s.want(exitRefused, "it is of cluster C2, and this is C1", "state", "import", "account", "new", "--yes",
		doc(`{"clstr_state": 1, "kind": "account", "key": "new", "cluster": "C2", "record": {"t": "json", "v": 3}, "state": 1}`))
	s.want(exitRefused, "it is protobuf, and json is stored", "state", "import", "account", "new", "--yes",
		doc(`{"clstr_state": 1, "kind": "account", "key": "new", "record": {"t": "protobuf", "v": 3}, "state_base64": "CJYB"}`))
	for text, want := range map[string]string{
		`{"Balance": 1}`:                        `it has no "clstr_state"`,
		`[]`:                                    "no document of clstr state export",
		`{"clstr_state": 2}`:                    "formats up to 1",
		`{"clstr_state": 1, "stat": {}}`:        `unknown field "stat"`,
		`{"clstr_state": 1, "state": {}}`:       `no "record"`,
		`{"clstr_state": 1, "error": "broken"}`: "the document holds no state: broken",
		`{"clstr_state": 1, "record": {"t": "json"}, "state": {}, "state_base64": "e30="}`: "both state and state_base64",
		`{"clstr_state": 1, "record": {"t": "json"}, "state_base64": "ew=="}`:              "its type says json, but it is not JSON",
		`{"clstr_state": 1, "record": {"t": "xml"}, "state": {}}`:                          `type "xml"`,
		`{"clstr_state": 1, "record": {"deleted": true}}`:                                  "nothing to import",
	} {
		s.want(exitUsage, want, "state", "import", "account", "new", doc("%s", text), "--yes")
	}
	s.want(exitUsage, "no such file", "state", "import", "account", "new", "/nowhere")
	s.want(exitRefused, "too large", "state", "import", "account", "new", "--yes",
		doc(`{"clstr_state": 1, "kind": "account", "key": "new", "record": {"t": "json", "v": 3}, "state": %q}`, bytes.Repeat([]byte("x"), 800<<10)))
	s.want(exitUsage, "a document over", "state", "import", "account", "new", "--yes", doc("%s", bytes.Repeat([]byte(" "), 5<<20)))
}

// TestStateDelete: what is deleted stays known for a day, also if it could not be read.
func TestStateDelete(t *testing.T) {
	s := newFilled(t, "C1")
	s.put("account", "alice", state.Record{Number: 7, State: []byte("{}"), Commands: []state.Command{{ID: []byte("0123456789abcdef"), Sum: []byte("01234567")}}, Mailed: 5})
	s.want(exitRefused, "This deletes what is stored of account alice.", "state", "delete", "account", "alice")
	if s.record("account", "alice").Deleted {
		t.Fatal("deleted without a word")
	}
	s.want(0, "deleted account alice: change 8", "state", "delete", "account", "alice", "--yes")
	if r := s.record("account", "alice"); !r.Deleted || r.Number != 8 || len(r.Commands) != 1 || r.Mailed != 5 || r.TTL != 24*time.Hour || len(r.State) != 0 {
		t.Errorf("%+v", r)
	}
	s.want(exitNoRecord, "account alice is deleted already", "state", "delete", "account", "alice", "--yes")
	s.want(exitNoRecord, "nothing is stored", "state", "delete", "account", "bob", "--yes")
	shard := s.layout.Shard("head")
	s.forge(fmt.Sprintf("clstr.d.k.%d.account.head", shard), "{", "{}")
	s.want(exitBadState, "unreadable", "state", "check")
	s.want(0, "deleted account head: change 1", "state", "delete", "account", "head", "--yes")
	s.want(0, "all can be read", "state", "check")
	s.forge(fmt.Sprintf("clstr.d.k.%d.account.head", shard), "{", "{}")
	file := filepath.Join(t.TempDir(), "doc.json")
	if err := os.WriteFile(file, []byte(`{"clstr_state": 1, "kind": "account", "key": "head", "record": {"t": "json"}, "state": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(exitRefused, "which cannot be read", "state", "import", "account", "head", file)
	s.want(0, "stored account head", "state", "import", "account", "head", file, "--yes")
}

// TestStateOfTheLargestNumber, and one with IDs that no key could begin with: both can be replaced and
// deleted.
func TestStateOfTheLargestNumber(t *testing.T) {
	s := newFilled(t, "C1")
	file := filepath.Join(t.TempDir(), "doc.json")
	if err := os.WriteFile(file, []byte(`{"clstr_state": 1, "kind": "account", "key": "alice", "record": {"t": "json"}, "state": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"import account alice " + file, "delete account alice"} {
		s.put("account", "alice", state.Record{Number: math.MaxUint64, State: []byte("{}"), Commands: []state.Command{{ID: []byte("short"), Sum: []byte("01234567")}}})
		s.want(exitBadState, "an ID of 5 bytes", "state", "check")
		s.want(0, "account alice: change 1", append(append([]string{"state"}, strings.Fields(command)...), "--yes")...)
		s.want(0, "all can be read", "state", "check")
		if r := s.record("account", "alice"); r.Number != 1 || len(r.Commands) != 0 {
			t.Errorf("%s: %+v", command, r)
		}
	}
}

// asked runs the command as if somebody answered it on a terminal.
func (s *filled) asked(answer string, before func(), args ...string) result {
	var out, errs bytes.Buffer
	a := newApp(&answering{strings.NewReader(answer), before}, &out, &errs, func(name string) string { return map[string]string{"NATS_URL": s.url}[name] })
	a.asks = true
	exit := a.run(s.t.Context(), args)
	return result{out.String(), errs.String(), exit}
}

// answering does something before it answers.
type answering struct {
	*strings.Reader
	before func()
}

func (a *answering) Read(b []byte) (int, error) {
	if a.before != nil {
		a.before()
		a.before = nil
	}
	return a.Reader.Read(b)
}

// TestStateAsks: only yes is yes, and what was asked for is what is replaced.
func TestStateAsks(t *testing.T) {
	s := newFilled(t, "C1")
	token := s.put("account", "alice", state.Record{Number: 7, State: []byte("{}")})
	for _, answer := range []string{"", "no\n", "y\n", "yes"[:2]} {
		r := s.asked(answer, nil, "state", "delete", "account", "alice")
		if r.exit != exitRefused || !strings.Contains(r.err, `Type "yes" to go on: `) || s.record("account", "alice").Deleted {
			t.Errorf("%q: exit code %d\n%s", answer, r.exit, r.err)
		}
	}
	r := s.asked("yes\n", func() {
		if err := s.commit(token, "account", "alice", state.Record{Number: 8, Type: "json", State: []byte("1")}); err != nil {
			t.Error(err)
		}
	}, "state", "delete", "account", "alice")
	if r.exit != exitRefused || !strings.Contains(r.err, "the record has changed meanwhile") || s.record("account", "alice").Number != 8 {
		t.Errorf("changed while it asked: exit code %d\n%s", r.exit, r.err)
	}
	if r := s.asked("yes\n", nil, "state", "delete", "account", "alice"); r.exit != 0 || !s.record("account", "alice").Deleted {
		t.Errorf("yes: exit code %d\n%s", r.exit, r.err)
	}
	if r := s.asked("yes\n", nil, "state", "delete", "account", "alice", "--json"); r.exit == 0 {
		t.Error("JSON asks")
	}
}

// TestStateDeposes: an owner that runs cannot store over what the command has written, and the owner
// of a later epoch is left alone. A node with a fixed list is deposed only if that is said.
func TestStateDeposes(t *testing.T) {
	s := newFilled(t, "C1")
	token := s.put("account", "alice", state.Record{Number: 7, State: []byte("{}")})
	s.want(0, "deleted", "state", "delete", "account", "alice", "--yes")
	if err := s.commit(token, "account", "alice", state.Record{Number: 8, Type: "json", State: []byte("1")}); !state.Refused(err) {
		t.Errorf("the owner stores over it: %v", err)
	}
	again, err := s.store.Open(t.Context(), token.Shard, s.owner, state.Token{})
	if err != nil || s.commit(again, "account", "alice", state.Record{Number: 9, Type: "json", State: []byte("1")}) != nil {
		t.Errorf("the owner cannot open it again: %v", err)
	}
	fixed := newFilled(t, "")
	fixed.put("account", "alice", state.Record{State: []byte("{}")})
	for _, args := range [][]string{{}, {"--yes"}} {
		fixed.want(exitRefused, "stops serving the shard until it is restarted", append([]string{"state", "delete", "account", "alice"}, args...)...)
	}
	fixed.want(0, "deleted", "state", "delete", "account", "alice", "--depose")
}

// What a document holds is JSON that others read.
func TestStateDocumentsAreJSON(t *testing.T) {
	for _, text := range []string{"plain", "", odd, "\u2028", "\x00", "é"} {
		d := stored.NewDocument(state.Entry{Kind: text, Key: text, Record: &state.Record{Type: "json", State: []byte(text)}}, "")
		b, err := json.Marshal(d)
		if err != nil || bytes.ContainsAny(b, "\x1b\u009b") {
			t.Errorf("%q: %q, %v", text, b, err)
		}
		back := decode[stored.Document](t, string(b))
		if kind, key := back.Names(); kind != text || key != text {
			t.Errorf("%q comes back as %q and %q", text, kind, key)
		}
	}
}

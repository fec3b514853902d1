package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/cmd/clstr/internal/stored"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
)

// filled is a store of state on a server of its own, as a node has left it.
type filled struct {
	*live
	store  *natsstate.Store
	layout sharding.Layout
	owner  state.Owner
}

func newFilled(t *testing.T, cluster string) *filled {
	t.Helper()
	s := &filled{live: &live{t: t, url: testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()}, layout: sharding.Layout{NumShards: 64}}
	s.owner = state.Owner{Cluster: cluster, Layout: fmt.Sprintf("%d shards, seed %q", s.layout.NumShards, s.layout.Seed), Epoch: 3}
	if cluster == "" {
		s.owner.Epoch = 0
	}
	s.store = s.open(natsstate.Options{URL: s.url})
	return s
}

func (s *filled) open(o natsstate.Options) *natsstate.Store {
	s.t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	store, err := natsstate.Open(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = store.Close() })
	return store
}

// put stores a record as a node does, and returns the node's token.
func (s *filled) put(kind, key string, r state.Record) state.Token {
	s.t.Helper()
	token, err := s.store.Open(s.t.Context(), s.layout.Shard(key), s.owner, state.Token{})
	if err != nil {
		s.t.Fatal(err)
	}
	if r.Number == 0 {
		r.Number = 1
	}
	if r.Type == "" {
		r.Type = "json"
	}
	if err := s.commit(token, kind, key, r); err != nil {
		s.t.Fatal(err)
	}
	return token
}

func (s *filled) commit(token state.Token, kind, key string, r state.Record) error {
	done := make(chan error, 1)
	s.store.Commit(state.Change{Token: token, Kind: kind, Key: key, Record: &r}, func(_ state.Rev, err error) { done <- err })
	return <-done
}

// record is what is stored of a key.
func (s *filled) record(kind, key string) *state.Record {
	s.t.Helper()
	es, _, err := s.store.Read(s.t.Context(), state.Token{}, state.Range{Shard: s.layout.Shard(key), Kind: kind, Key: key})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(es) == 0 {
		return nil
	}
	return es[0].Record
}

// forge writes what no store of state does.
func (s *filled) forge(subject, head, body string) {
	s.t.Helper()
	m := nats.NewMsg(subject)
	m.Data = []byte(body)
	m.Header["Clstr"] = []string{head}
	answer, err := s.store.Conn().RequestMsg(m, 10*time.Second)
	if err != nil || strings.Contains(string(answer.Data), "error") {
		s.t.Fatalf("%v, %v", answer, err)
	}
}

const odd = "a.b \x1b[2J\u009b*>\xff\n"

// TestStateShow: what is shown of records, small and large, and of keys that no terminal shows.
func TestStateShow(t *testing.T) {
	s := newFilled(t, "C1")
	s.put("account", "alice", state.Record{Number: 7, Version: 2, State: []byte(`{"Balance":10,"Big":12345678901234567890.10,"Html":"<&>"}`),
		TTL: time.Hour, Commands: []state.Command{{ID: []byte("0123456789abcdef"), Sum: []byte("01234567")}}})
	r := s.want(0, "\"Balance\": 10", "state", "show", "account", "alice")
	for _, text := range []string{"key     alice\n", "change  7, in epoch 3\n", "state   version 2, json, 57 bytes\n", "1 command with an ID", "ends    in ", "12345678901234567890.10", `"<&>"`} {
		if !strings.Contains(r.out, text) {
			t.Errorf("no %q in\n%s", text, r.out)
		}
	}
	d := decode[stored.Document](t, s.want(0, "", "state", "show", "account", "alice", "--json").out)
	if d.Format != 1 || d.Cluster != "C1" || d.Record.Number != 7 || d.Record.Epoch != 3 || d.Bytes != 57 || d.Shard != s.layout.Shard("alice") || d.Rev == 0 {
		t.Errorf("%+v", d)
	}
	if r := s.want(0, "", "state", "export", "account", "alice"); r.out != s.run("state", "show", "account", "alice", "--json").out {
		t.Errorf("export prints\n%s", r.out)
	}
	s.want(exitNoRecord, "nothing is stored of account bob", "state", "show", "account", "bob")
	s.want(exitNoRecord, `"code": "no_record"`, "state", "export", "acount", "alice")
	s.want(exitUsage, "key of 0 bytes", "state", "show", "account", "")
	s.want(exitUsage, "KEY is not base64", "state", "show", "account", "%", "--base64")
	s.want(exitUsage, `unknown command "shw"`, "state", "shw")
	s.want(0, "Commands:", "state")

	s.put("ka nd", odd, state.Record{State: []byte(`{"Text":"` + "\u009b" + `"}`)})
	d = decode[stored.Document](t, s.want(0, "", "state", "show", "ka nd", odd, "--json").out)
	if kind, key := d.Names(); kind != "ka nd" || key != odd || d.KeyBase64 == nil || d.StateBase64 == nil {
		t.Errorf("%+v", d)
	}
	s.want(0, `"ka nd"`, "state", "show", "ka nd", "YS5iIBtbMkrCmyo+/wo=", "--base64", "--json")
	for _, args := range [][]string{{"show", "ka nd", odd}, {"list", "ka nd"}, {"list", odd}, {"check", odd}, {"show", odd, odd}, {"export", "ka nd", odd}, {"show", "ka nd", odd, "--json"}, {"delete", "ka nd", odd}} {
		if r := s.run(append([]string{"state"}, args...)...); strings.ContainsAny(r.out+r.err, "\x1b\u009b\r") {
			t.Errorf("clstr state %q: %q", args, r.out+r.err)
		}
	}

	s.put("proto", "p", state.Record{Type: "protobuf", State: []byte("\x08\x96\x01")})
	s.want(0, "08 96 01", "state", "show", "proto", "p")
	large := fmt.Sprintf(`{"Text":%q}`, strings.Repeat("x", 700<<10))
	s.put("large", "l", state.Record{State: []byte(large)})
	if r := s.want(0, "bytes more: clstr state export prints all", "state", "show", "large", "l"); len(r.out) > 20<<10 {
		t.Errorf("%d bytes are shown", len(r.out))
	}
	if d := decode[stored.Document](t, s.want(0, "", "state", "export", "large", "l").out); d.Bytes != len(large) {
		t.Errorf("%d bytes, want %d", d.Bytes, len(large))
	}
	s.put("account", "gone", state.Record{Deleted: true, Type: "-", TTL: time.Hour})
	s.want(0, "deleted what is left", "state", "show", "account", "gone")
}

// TestStateList: keys in pages, filtered, as a table and as JSON.
func TestStateList(t *testing.T) {
	s := newFilled(t, "C1")
	for i := range 600 {
		s.put("account", fmt.Sprintf("acc-%03d", i), state.Record{State: []byte("{}"), Version: 1})
	}
	s.put("account", "other", state.Record{Deleted: true, TTL: time.Hour, Type: "-"})
	r := s.want(0, "acc-599", "state", "list", "account")
	if lines := strings.Count(r.out, "\n"); lines != 602 || strings.Count(r.out, "KEY") != 1 || !strings.Contains(r.out, "deleted") {
		t.Errorf("%d lines, want 602 with one heading:\n%s", lines, r.out[:500])
	}
	type list struct {
		Kind    string
		Records []recordJSON
		Next    uint64
	}
	all := decode[list](t, s.want(0, "", "state", "list", "account", "--json").out)
	if len(all.Records) != 601 || all.Next != 0 || all.Kind != "account" || all.Records[0].Key != "acc-000" || all.Records[0].Version != 1 || all.Records[0].Bytes != 2 {
		t.Errorf("%d records, next %d", len(all.Records), all.Next)
	}
	seen, after := 0, uint64(0)
	for pages := 0; ; pages++ {
		l := decode[list](t, s.want(0, "", "state", "list", "account", "--json", "--limit", "250", "--after", fmt.Sprint(after), "--key-prefix", "acc-").out)
		seen += len(l.Records)
		if after = l.Next; after == 0 {
			if pages != 2 {
				t.Errorf("%d pages", pages+1)
			}
			break
		}
	}
	if seen != 600 {
		t.Errorf("%d of 600 keys in pages", seen)
	}
	r = s.want(0, "acc-123", "state", "list", "account", "--key-prefix", "acc-12", "--limit", "5")
	if strings.Count(r.out, "acc-12") != 5 || !strings.Contains(r.err, "5 are listed, and there is more: --after ") {
		t.Errorf("%s%s", r.out, r.err)
	}
	s.want(0, "no stored state of kind order", "state", "list", "order")
	if l := decode[list](t, s.want(0, "", "state", "list", "order", "--json").out); l.Records == nil || len(l.Records) != 0 {
		t.Errorf("%+v", l)
	}
	s.want(exitUsage, "--limit", "state", "list", "account", "--limit", "0")
	s.want(exitUsage, "KIND must not be empty", "state", "list", "")
	s.want(0, "601 records: all can be read", "state", "check")
}

// TestStateCheck: what cannot be read is named, with its place, and the exit code says so.
func TestStateCheck(t *testing.T) {
	s := newFilled(t, "C1")
	s.put("account", "good", state.Record{State: []byte("{}")})
	s.put("proto", "good", state.Record{Type: "protobuf", State: []byte("\x08\x96\x01")})
	s.put("account", "no json", state.Record{State: []byte("{")})
	s.put("proto", "no proto", state.Record{Type: "protobuf", State: []byte("\x08")})
	s.put("account", "no type", state.Record{Type: "xml", State: []byte("<x/>")})
	s.put("other", "gone", state.Record{Type: "-", Deleted: true, TTL: time.Hour})
	s.forge("clstr.d.k.5.account.head", "{", "{}")
	s.forge(fmt.Sprintf("clstr.d.k.%d.account.there", (s.layout.Shard("there")+1)%64), `{"n":1,"t":"json"}`, "{}")
	s.forge("clstr.d.r.5.account.reminder", "", "{")
	s.forge("clstr.d.k.5.account", "", "")
	r := s.want(exitBadState, "7 entries cannot be read", "state", "check", "--json")
	type checked struct {
		Bad      []badJSON
		Checked  int
		BadTotal int `json:"bad_total"`
	}
	got := decode[checked](t, r.out)
	why := map[string]string{}
	for _, b := range got.Bad {
		why[b.Place+" "+b.Key] = b.Error
	}
	for what, text := range map[string]string{
		"records no json": "its type says json, but it is not JSON", "records no proto": "its type says protobuf, but it is not protobuf", "records no type": `type "xml"`,
		"records head": "unreadable state", "records there": "the key belongs to shard", "reminders reminder": "unreadable state", "records ": "is no subject of state",
	} {
		if !strings.Contains(why[what], text) {
			t.Errorf("%s: %q, want %q", what, why[what], text)
		}
	}
	if got.Checked != 9 || got.BadTotal != 7 || len(got.Bad) != 7 {
		t.Errorf("checked %d, bad %d, listed %d: %v", got.Checked, got.BadTotal, len(got.Bad), why)
	}
	s.want(exitBadState, "no json", "state", "check", "account")
	s.want(exitBadState, "1 entry cannot be read; 2 records checked", "state", "check", "proto")
	s.want(0, "1 record: all can be read", "state", "check", "other")
	s.want(exitBadState, "nats stream get clstr_state", "state", "show", "account", "head")
	s.want(exitBadState, "its type says json, but it is not JSON", "state", "export", "account", "no json")
}

// TestStateElsewhere: where there is no store, no server or no permission, that is said.
func TestStateElsewhere(t *testing.T) {
	user := func(name string, p natsstate.Permissions) *server.User {
		return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: append(p.Publish, "unused")}, Subscribe: &server.SubjectPermission{Allow: append(p.Subscribe, "unused")}}}
	}
	ns := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Users: []*server.User{
		user("node", natsstate.NodePermissions("")), user("look", natsstate.LookPermissions("")), user("nobody", natsstate.Permissions{Subscribe: []string{"clstr.sti.>"}})}})
	as := func(name string) *filled {
		return &filled{live: &live{t: t, url: strings.Replace(ns.URL(), "//", "//"+name+":p@", 1)}, layout: sharding.Layout{NumShards: 64}}
	}
	as("node").want(exitNoCluster, `"code": "no_state"`, "state", "list", "account", "--json")
	s := as("node")
	s.store = s.open(natsstate.Options{URL: s.url})
	s.want(exitNotPermitted, "$JS.API.STREAM.INFO.other_state", "state", "list", "account", "--prefix", "other", "--timeout", "2s")
	file := filepath.Join(t.TempDir(), "doc.json")
	if err := os.WriteFile(file, []byte(`{"clstr_state": 1, "kind": "account", "key": "new", "record": {"t": "json"}, "state": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(exitRefused, "no node has used this store yet", "state", "import", "account", "new", file, "--yes")
	s.owner = state.Owner{Layout: `64 shards, seed ""`}
	s.put("account", "alice", state.Record{State: []byte("{}")})
	as("look").want(0, "alice", "state", "list", "account")
	as("look").want(0, "1 record: all can be read", "state", "check")
	as("look").want(0, "{}", "state", "show", "account", "alice")
	as("look").want(exitNotPermitted, "natsstate.LookPermissions", "state", "delete", "account", "alice", "--depose", "--timeout", "2s")
	as("nobody").want(exitNotPermitted, "natsstate.LookPermissions", "state", "list", "account", "--timeout", "2s")
	s.store.Close()
	ns.Stop()
	s.want(exitUnreachable, "connecting to", "state", "list", "account", "--timeout", "1s")
}

// TestStateFits: on a narrow terminal nothing is lost and no line breaks.
func TestStateFits(t *testing.T) {
	s := newFilled(t, "C1")
	s.put("account", strings.Repeat("long-key-", 30), state.Record{Number: 1 << 40, Version: 1 << 30, State: []byte(`{"Text":"x"}`), TTL: 10000 * time.Hour})
	s.put("account", strings.Repeat("no.json.", 30), state.Record{State: []byte("{")})
	for _, args := range []string{"list account", "check", "show account " + strings.Repeat("long-key-", 30), "show account nobody", "delete account " + strings.Repeat("long-key-", 30), "list order", "list account --limit 1"} {
		var out, errs bytes.Buffer
		a := newApp(strings.NewReader(""), &out, &errs, func(name string) string { return map[string]string{"NATS_URL": s.url}[name] })
		a.outTerm, a.errTerm = makeTerminal(80, 24, a.getenv), makeTerminal(80, 24, a.getenv)
		a.run(t.Context(), append([]string{"state"}, strings.Fields(args)...))
		fits(t, 80, out.String())
		fits(t, 80, errs.String())
		if out.Len()+errs.Len() == 0 {
			t.Errorf("clstr state %s prints nothing", args)
		}
	}
}

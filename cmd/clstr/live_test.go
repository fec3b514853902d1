package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/internal/record"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/cmd/clstr/internal/demo"
	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// live is a cluster on a NATS server of its own.
type live struct {
	t     *testing.T
	url   string
	nodes map[string]*demo.Node
}

func startLive(t *testing.T, names ...string) *live {
	t.Helper()
	s, err := demo.StartServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	l := &live{t: t, url: s.URL, nodes: map[string]*demo.Node{}}
	for _, name := range names {
		n, err := demo.Start(t.Context(), s.URL, natsdial.DefaultPrefix, demo.Options{Name: name, Version: "test"})
		if err != nil {
			t.Fatal(err)
		}
		l.nodes[name] = n
		t.Cleanup(func() { _ = n.Stop() })
	}
	l.settle()
	return l
}

// settle returns when each node owns what it should.
func (l *live) settle() {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	store, err := natsstore.Open(ctx, natsstore.Options{URL: l.url, Memory: true})
	if err != nil {
		l.t.Fatal(err)
	}
	defer store.Close()
	written := make(chan struct{}, 1)
	stop, err := store.Watch(func(membership.Entry) {
		select {
		case written <- struct{}{}:
		default:
		}
	})
	if err != nil {
		l.t.Fatal(err)
	}
	defer stop()
	for {
		if c, err := view.Load(ctx, store); err == nil && c.Takers() == len(l.nodes) && settled(c) {
			return
		}
		select {
		case <-written:
		case <-ctx.Done():
			l.t.Fatal("the cluster does not settle")
		}
	}
}

func settled(c *view.Cluster) bool {
	for _, s := range c.Shards {
		if s.Owner != s.Target {
			return false
		}
	}
	return true
}

// run runs the command as somebody without a home does.
func (l *live) run(args ...string) result {
	l.t.Helper()
	args = append([]string{"--timeout", "1m"}, args...) // a busy machine needs more than the default
	return command(l.t, map[string]string{"NATS_URL": l.url}, nil, args...)
}

// want runs it and compares the exit code, and looks for a text in what it prints.
func (l *live) want(exit int, text string, args ...string) result {
	l.t.Helper()
	r := l.run(args...)
	if r.exit != exit || !strings.Contains(r.out+r.err, text) {
		l.t.Errorf("clstr %s: exit code %d, want %d, and %q in\n%s%s", strings.Join(args, " "), r.exit, exit, text, r.out, r.err)
	}
	return r
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// TestLiveDrain: the node hands over, leaves and ends without an error, nothing that
// is sent meanwhile fails, and the last one is spared.
func TestLiveDrain(t *testing.T) {
	l := startLive(t, "a", "b", "c")
	nodes := decode[nodesJSON](t, l.want(0, "", "nodes", "--json").out)
	for _, n := range nodes.Nodes {
		if n.Shards != n.ShouldOwn || n.State != record.Active || n.Version != "test" {
			t.Errorf("%+v", n)
		}
		if n.RenewedMs == nil || *n.RenewedMs > 60_000 {
			t.Errorf("node %s has renewed its lease %v ms ago", n.Name, n.RenewedMs)
		}
	}
	planned := decode[planJSON](t, l.want(0, "", "plan", "--remove", "a", "--json").out)
	got := decode[drainJSON](t, l.want(0, "", "drain", "a", "--probe", "--json").out)
	if got.State != record.Left || got.Moved != planned.Moves || got.Moved != nodes.Nodes[0].Shards || got.Released+got.Claimed != 0 || got.PauseMs == nil || got.PauseMs.Max <= 0 {
		t.Errorf("drained %+v, planned %+v", got, planned)
	}
	for _, f := range planned.Flows {
		if got.To[f.To] != len(f.Shards) {
			t.Errorf("%d shards have moved to %s, planned %d", got.To[f.To], f.To, len(f.Shards))
		}
	}
	if p := got.Probes; p == nil || p.Failed != 0 || p.Sent < got.Moved || p.Answered != p.Sent {
		t.Errorf("probes %+v", p)
	}
	<-l.nodes["a"].Ended()
	if err := l.nodes["a"].Stop(); err != nil {
		t.Errorf("the node has ended with %v", err)
	}
	delete(l.nodes, "a")
	l.settle()
	l.want(0, "1 node has left", "nodes")
	l.want(exitUnknownNode, "has left already", "drain", "a")
	r := l.want(0, "has left after", "drain", "b")
	if !strings.Contains(r.out, "pause   p50") || !strings.Contains(r.err, "draining b.") {
		t.Errorf("it prints\n%s%s", r.out, r.err)
	}
	l.want(exitRefused, "only one that takes shards", "drain", "c")
	l.want(0, "free    64 shards", "drain", "c", "--force")
}

// TestLiveRequests: replies, and outcomes as exit codes.
func TestLiveRequests(t *testing.T) {
	l := startLive(t, "a", "b")
	l.want(0, "{\"Value\":3}\n", "request", "counter", "k", "Add", `{"N": 3}`)
	l.want(0, "{\"Value\":10}\n", "request", "counter", "k", "Add", "-") // 7
	file := filepath.Join(t.TempDir(), "add.json")
	if err := os.WriteFile(file, []byte(`{"N": 90}`), 0o600); err != nil {
		t.Fatal(err)
	}
	l.want(0, "{\"Value\":100}\n", "request", "counter", "k", "Add", "@"+file)
	l.want(0, "", "notify", "counter", "k", "Add", `{"N": 1}`)
	l.want(0, `"shard": 30`, "notify", "counter", "k2", "Add", `{"N": 1}`, "--no-ack", "--json", "--shards", "64")
	l.want(0, "{\"Value\":3}\n", "request", "counter", "k2", "Add", `{"N": 2}`)
	got := decode[replyJSON](t, l.want(0, "", "request", "counter", "k", "Add", `{"N": 1}`, "--json").out)
	if string(bytes.Join(bytes.Fields(got.Reply), nil)) != `{"Value":102}` || got.Kind != "counter" || got.Key != "k" || got.Type != "Add" {
		t.Errorf("%+v", got)
	}
	l.want(exitNotSent+3, "outcome: ran and failed", "request", "counter", "k", "Add", `{"N": -1}`)
	l.want(exitNotSent+1, "the nodes host: counter", "request", "count", "k", "Add", `{}`)
	l.want(exitNotSent+1, `"code": "unknown_type"`, "request", "counter", "k", "Addd", `{}`, "--json")
	l.want(exitNotSent+1, `unknown message type: "Addd"; the entity has "Add"`, "request", "counter", "k", "Addd", `{}`)
	l.want(exitNotSent+1, "--shards and --seed must be the cluster's", "request", "counter", "k", "Add", `{}`, "--shards", "65")
	l.want(exitNotSent+1, "code: no_subscriber", "request", "counter", "k", "Add", `{}`, "--shards", "64", "--prefix", "nobody")
	l.want(exitNotSent, "code: key_required", "request", "counter", "", "Add", `{}`)
	l.want(exitUsage, "the payload is not JSON", "request", "counter", "k", "Add", `{N: 1}`)
	l.want(exitNotSent+1, "code: bad_payload", "request", "counter", "k", "Add", `{N: 1}`, "--raw")
	l.want(exitNotSent+1, "a JSON message without fields is '{}'", "request", "counter", "k", "Add")
	l.want(exitNotSent+1, "code: not_durable", "request", "counter", "k", "Add", `{"N": 1}`, "--id", "a-1")
	l.want(exitUsage, "no such file", "request", "counter", "k", "Add", "@/nowhere")
	l.want(exitUsage, "--seed goes with --shards", "request", "counter", "k", "Add", "--seed", "x")
	l.want(exitUsage, "usage: clstr request KIND KEY TYPE", "request", "counter", "k")

	tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: l.url, Prefix: "fixed", Log: slog.New(slog.DiscardHandler)}) // a cluster without records
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	node := cluster.NewNode(cluster.NodeOptions{NodeID: "f", Transport: tr, NumShards: 1, Shards: []uint32{0}, Log: slog.New(slog.DiscardHandler),
		Handler: func(_ context.Context, env cluster.Envelope) ([]byte, error) {
			if env.Type == "Panic" {
				panic("as asked")
			}
			return []byte("no JSON"), nil
		}})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- node.Run(ctx) }()
	defer func() { stop(); <-ended }()
	<-node.Ready()
	l.want(0, "no JSON\n", "request", "-", "k", "Get", "--prefix", "fixed", "--shards", "1")
	l.want(0, `"reply_base64": "bm8gSlNPTg=="`, "request", "-", "k", "Get", "--prefix", "fixed", "--shards", "1", "--json")
	l.want(exitNotSent+2, "code: panicked, outcome: maybe ran", "request", "-", "k", "Panic", "--prefix", "fixed", "--shards", "1")
	l.want(exitNoCluster, `has no bucket "fixed_members"`, "request", "-", "k", "Get", "--prefix", "fixed")
}

// TestLiveCompletion: names of nodes and kinds come from the cluster.
func TestLiveCompletion(t *testing.T) {
	l := startLive(t, "a", "b")
	for args, want := range map[string]string{
		"drain":            "a\nb\n:4\n",
		"drain a":          ":4\n",
		"plan --remove":    "a\nb\n:4\n",
		"shards --node":    "a\nb\n:4\n",
		"request":          "counter\n:4\n",
		"request a b c":    ":0\n",
		"state show":       "counter\n:4\n",
		"state import":     "counter\n:4\n",
		"state list":       "counter\n:4\n",
		"state export a":   ":4\n",
		"state import a b": ":0\n",
		"where":            "counter\n:4\n",
		"where counter":    ":4\n",
	} {
		if r := l.run(append([]string{"__complete"}, append(strings.Fields(args), "")...)...); r.out != want {
			t.Errorf("%s <tab>: %q, want %q", args, r.out, want)
		}
	}
	if r := command(t, map[string]string{"NATS_URL": "nats://127.0.0.1:1"}, nil, "__complete", "drain", ""); r.out != ":1\n" {
		t.Errorf("without a server: %q", r.out)
	}
}

// TestNoCluster: what is missing is named, with an exit code of its own.
func TestNoCluster(t *testing.T) {
	plain := &live{t: t, url: testkit.StartNATS(t)}
	plain.want(exitNoCluster, "has no JetStream for this user", "nodes")
	stored := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	l := &live{t: t, url: stored.URL()}
	l.want(exitNoCluster, `no live cluster under the prefix "shop"`, "nodes", "--prefix", "shop")
	store, err := natsstore.Open(t.Context(), natsstore.Options{URL: l.url, Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	store.Close()
	l.want(exitNoCluster, "no node has joined yet", "nodes")
	l.want(exitNoCluster, `has no bucket "other_members"`, "nodes", "--prefix", "other")
	l.want(exitUsage, `context "nope"`, "nodes", "--context", "nope")
	stored.Stop()
	l.want(exitUnreachable, "no connection to a NATS server at nats://127.0.0.1", "nodes", "--json")
	l.want(exitUnreachable, "hint: say where it is", "request", "counter", "k", "Add", "--shards", "64")
}

// TestPermissions: the user of the stores is enough for the records, and others are
// told what they lack.
func TestPermissions(t *testing.T) {
	may := natsstore.ControlPermissions("")
	users := []*server.User{
		{Username: "control", Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: may.Publish}, Subscribe: &server.SubjectPermission{Allow: may.Subscribe}}},
		{Username: "client", Password: "p", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{"clstr.n.>", "clstr.who"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"clstr.own", "_INBOX.client.>"}}}},
		{Username: "reader", Password: "p", Permissions: &server.Permissions{ // as docs/cli.md has it
			Publish: &server.SubjectPermission{Allow: []string{"$KV.clstr_members.bucket", "$JS.API.STREAM.INFO.KV_clstr_members",
				"$JS.API.STREAM.MSG.GET.KV_clstr_members", "$JS.API.DIRECT.GET.KV_clstr_members"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"clstr.ev.>", "clstr.ctl.>"}}}},
		{Username: "half", Password: "p", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{"$JS.API.STREAM.INFO.KV_clstr_members"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"clstr.ctl.>"}}}},
	}
	s := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Users: users})
	as := func(user string) *live { return &live{t: t, url: strings.Replace(s.URL(), "//", "//"+user+":p@", 1)} }
	store, err := natsstore.Open(t.Context(), natsstore.Options{URL: as("control").url, Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	put(t, store, record.ConfigKey, record.NewConfig(demoLayout))
	put(t, store, record.MemberKey(nodeA), record.Member{State: record.Active})
	put(t, store, record.MemberKey(nodeB), record.Member{State: record.Active})
	as("control").want(0, "s ago", "nodes")
	as("control").want(0, "asked a.3f9c2a1b to leave", "drain", "a", "--wait", "0")
	as("client").want(exitNotPermitted, "natsstore.ControlPermissions", "nodes")
	as("client").want(exitNotSent+1, "code: no_subscriber", "request", "counter", "k", "Add", "{}", "--shards", "64", "--inbox-prefix", "_INBOX.client")
	as("client").want(exitNotPermitted, "--inbox-prefix _INBOX.NAME", "request", "counter", "k", "Add", "{}", "--shards", "64")
	as("client").want(exitNotPermitted, "", "request", "counter", "k", "Add", "{}")
	as("half").want(exitNotPermitted, `"code": "not_permitted"`, "nodes", "--json")
	as("reader").want(0, "s ago", "nodes")
	as("reader").want(0, "of 64 shards would move", "plan", "--remove", "b")
	as("reader").want(exitNotPermitted, "asking node b", "drain", "b", "--force")
	r := as("stranger").want(exitNotPermitted, "does not let this user in", "nodes")
	if strings.Contains(r.err, ":p@") {
		t.Errorf("a password is shown: %s", r.err)
	}
}

package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// account is a durable entity.
type account struct{ Balance int }

type deposit struct{ N int }

type balance struct{ Balance int }

func (a *account) deposit(_ *actor.Context, m deposit) (balance, error) {
	a.Balance += m.N
	return balance(*a), nil
}

var accounts = actor.Define("account", func(string) *account { return &account{} },
	actor.OnRequest((*account).deposit), actor.Durable(actor.Persistence{Version: 2}))

// bank is a node that hosts accounts, and a client.
type bank struct {
	*live
	store  *natsstate.Store
	client *cluster.Client
	stop   func() error
}

func startBank(t *testing.T, url string, fixed bool) *bank {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: url, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	store, err := natsstate.Open(t.Context(), natsstate.Options{URL: url, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	opts := cluster.NodeOptions{NodeID: "one", Transport: tr, NumShards: 4, State: store, Log: quiet,
		Kinds: map[string]cluster.ServerHandlerFunc{"account": cluster.NewActorHandler(accounts.New)}}
	if fixed {
		opts.Shards = []uint32{0, 1, 2, 3}
	} else {
		members, err := natsstore.Open(t.Context(), natsstore.Options{URL: url, Memory: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = members.Close() })
		opts.Membership = members
	}
	b := &bank{live: &live{t: t, url: url}, store: store}
	if b.stop, err = cluster.NewNode(opts).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.stop() })
	if b.client, err = cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 4}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bank) deposit(n int) (int, error) {
	out, err := cluster.NewRequest[deposit, balance](b.client.Kind("account").Key("alice")).Request(b.t.Context(), deposit{n}, cluster.WithTTL(10*time.Second))
	if err != nil {
		return 0, err
	}
	return out.Balance, nil
}

// want deposits until the node serves the account, and compares.
func (b *bank) wantBalance(n, want int) {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		got, err := b.deposit(n)
		if err == nil && got == want {
			return
		}
		if err == nil || !cluster.OutcomeOf(err).NeverRan() && cluster.CodeOf(err) != "deposed" || time.Now().After(end) {
			b.t.Fatalf("the balance is %d, %v (%v), want %d", got, err, cluster.OutcomeOf(err), want)
		}
	}
}

// TestStateOfNodesThatRun: what the command writes is what entities go on from. A node of a live
// cluster opens the shard again by itself, and one with a fixed list when it is restarted.
func TestStateOfNodesThatRun(t *testing.T) {
	for name, fixed := range map[string]bool{"live": false, "fixed": true} {
		t.Run(name, func(t *testing.T) {
			url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
			b := startBank(t, url, fixed)
			b.wantBalance(100, 100)
			b.want(0, `"Balance": 100`, "state", "show", "account", "alice")
			b.want(0, "1 record: all can be read", "state", "check")
			if fixed {
				b.want(0, "no stored state of kind acount", "state", "list", "acount")
			} else {
				b.want(exitUsage, "the nodes host: account", "state", "list", "acount")
				shard := decode[struct{ Epoch uint64 }](t, b.want(0, "", "where", "account", "alice", "--json").out)
				if epoch := fmt.Sprintf("in epoch %d\n", shard.Epoch); shard.Epoch < 1e15 || !strings.Contains(b.want(0, "", "state", "show", "account", "alice").out, epoch) {
					t.Errorf("clstr state show does not say %q", epoch)
				}
			}
			file := filepath.Join(t.TempDir(), "alice.json")
			if err := os.WriteFile(file, []byte(b.want(0, "", "state", "export", "account", "alice").out), 0o600); err != nil {
				t.Fatal(err)
			}
			b.wantBalance(7, 107)
			flag := "--yes"
			if fixed {
				b.want(exitRefused, "stops serving the shard until it is restarted", "state", "import", "account", "alice", file, "--yes")
				flag = "--depose"
			} else {
				b.want(exitRefused, "from its owner, one.", "state", "import", "account", "alice", file)
			}
			b.want(0, "stored account alice", "state", "import", "account", "alice", file, flag)
			if fixed {
				if n, err := b.deposit(1); err == nil {
					t.Fatalf("a deposed node with a fixed list stores %d", n)
				}
				if n, err := b.deposit(1); err == nil {
					t.Fatalf("a deposed node with a fixed list stores %d", n)
				}
				if err := b.stop(); err != nil {
					t.Error(err)
				}
				b = startBank(t, url, fixed)
			}
			b.wantBalance(1, 101)
			b.want(0, "deleted account alice", "state", "delete", "account", "alice", flag)
			if fixed {
				if err := b.stop(); err != nil {
					t.Error(err)
				}
				b = startBank(t, url, fixed)
			}
			b.wantBalance(3, 3)
			// A key that nothing is stored of gets its shard from what the node has left.
			doc := filepath.Join(t.TempDir(), "bob.json")
			if err := os.WriteFile(doc, []byte(`{"clstr_state": 1, "kind": "account", "key": "bob", "record": {"t": "json", "v": 2}, "state": {"Balance": 5}}`), 0o600); err != nil {
				t.Fatal(err)
			}
			b.want(0, "stored account bob: change 1", "state", "import", "account", "bob", doc, flag)
			b.want(0, "2 records: all can be read", "state", "check")
		})
	}
}

// TestStateMends: a record that its node cannot read is named by the node and by the command, which
// removes it, and the key is served again. Other keys are served meanwhile.
func TestStateMends(t *testing.T) {
	url := testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL()
	b := startBank(t, url, false)
	shard := sharding.Layout{NumShards: 4}.Shard("alice")
	(&filled{live: b.live, store: b.store}).forge(fmt.Sprintf("clstr.d.k.%d.account.alice", shard), `{"n":7,"v":2,"t":"json"}`, "{")
	if n, err := b.deposit(1); cluster.CodeOf(err) != "bad_state" || cluster.OutcomeOf(err) != cluster.NotStarted {
		t.Errorf("an unreadable record: %d, %v (%v)", n, err, cluster.OutcomeOf(err))
	}
	b.want(exitBadState, "alice", "state", "check")
	b.want(0, "deleted account alice: change 8", "state", "delete", "account", "alice", "--yes")
	b.want(0, "all can be read", "state", "check")
	b.wantBalance(5, 5)
}

// TestRequestOnce: a durable entity carries out one --id once, however often the command runs.
func TestRequestOnce(t *testing.T) {
	b := startBank(t, testkit.StartNATSServer(t, &server.Options{JetStream: true, StoreDir: t.TempDir()}).URL(), false)
	add := func(id string) []string {
		return []string{"account", "bob", "deposit", `{"N": 5}`, "--id", id, "--timeout", "30s"}
	}
	for range 2 {
		b.want(0, "{\"Balance\":5}\n", append([]string{"request"}, add("sale-7")...)...)
	}
	b.want(0, "", append([]string{"notify"}, add("sale-7")...)...) // the same message
	b.want(0, "{\"Balance\":10}\n", append([]string{"request"}, add("sale-8")...)...)
	b.want(exitNotSent+1, "code: id_reused", "request", "account", "bob", "deposit", `{"N": 6}`, "--id", "sale-8", "--timeout", "30s")
}

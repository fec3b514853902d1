package natstransport_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestInboxIsNotGuessed: any client may learn on which inbox a node hears questions about turns. That does not tell where
// the node's own calls are answered. nats.go counts from one inbox to the next, and the node of a client's request
// answers to any inbox, so a client could answer the calls of nodes.
func TestInboxIsNotGuessed(t *testing.T) {
	user := func(name string, publish, subscribe []string) *server.User {
		return &server.User{Username: name, Password: "p", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: append(subscribe, "_INBOX."+name+".>")},
		}}
	}
	ask := []string{"clstr.n.*.*", "clstr.who"}
	url := testkit.StartNATSServer(t, &server.Options{Users: []*server.User{
		user("data", []string{"clstr.n.*.*", "clstr.who", "clstr.own", "_INBOX.>"}, []string{"clstr.n.*.*", "clstr.who", "clstr.own"}),
		user("mallory", ask, []string{"clstr.own"}),
	}}).URL()
	as := func(name string) []nats.Option {
		return []nats.Option{nats.UserInfo(name, "p"), nats.CustomInboxPrefix("_INBOX." + name)}
	}
	victim, other := connect(t, natstransport.Options{URL: url, NATSOptions: as("data")}), connect(t, natstransport.Options{URL: url, NATSOptions: as("data")})
	h, entered, release := stuck(t)
	serve(t, victim, 1, echo)
	serve(t, other, 2, h)
	serve(t, other, 3, echo)
	call := hold(t, victim, 2, entered)

	mallory, nc := connect(t, natstransport.Options{URL: url, NATSOptions: as("mallory")}), dial(t, url, as("mallory")...)
	told, err := mallory.Request(patient(t), transport.Envelope{Shard: 1, Type: "clstr.turns.at"})
	if err != nil {
		t.Fatal(err)
	}
	var packet []byte
	for range 8 {
		packet = wire.AppendEnvelope(packet, &transport.Envelope{Shard: 3, Type: "Echo", Data: []byte("forged")}, 0, nil, 0)
	}
	packet = wire.AppendEnd(packet, 1) // the calls 1 to 8
	for _, inbox := range beside(t, strings.TrimSuffix(string(told), ".turns")) {
		if err := nc.PublishRequest("clstr.n."+other.Backend().Address()+"._", inbox+".1-8", packet); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	other.HasCome(patient(t))
	eventually(t, "an answer behind them", func() bool { // of a node that a busy machine keeps silent meanwhile
		got, err := mallory.Request(patient(t), transport.Envelope{Shard: 3, Type: "Echo", Data: []byte("behind them")})
		if err != nil && !errors.Is(err, outcome.ErrConnectionLost) {
			t.Fatal(err)
		}
		return err == nil && string(got) == "behind them"
	})
	other.Sync(patient(t))
	victim.HasCome(patient(t))
	release()
	// A forged answer has no error. A busy machine may keep the node silent behind what it was sent, and the call is told as lost then.
	if got := receive(t, "the call that was held", call); string(got.data) != "held" && !errors.Is(got.err, outcome.ErrConnectionLost) {
		t.Errorf("%q, %v", got.data, got.err)
	}
}

// beside returns the inboxes that nats.go may make before or after one. It counts in steps of 33 to 332.
func beside(t *testing.T, inbox string) (all []string) {
	t.Helper()
	const digits, counted = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 10
	at, n := len(inbox)-counted, int64(0)
	for _, c := range inbox[at:] {
		d := strings.IndexRune(digits, c)
		if d < 0 {
			t.Fatalf("%s: %q is no digit", inbox, c)
		}
		n = n*int64(len(digits)) + int64(d)
	}
	for step := int64(33); step < 333; step++ {
		for _, left := range []int64{n - 2*step, n - step, n + step, n + 2*step} {
			b := []byte(inbox)
			for i := len(b) - 1; i >= at; i-- {
				b[i] = digits[max(left, 0)%int64(len(digits))]
				left /= int64(len(digits))
			}
			all = append(all, string(b))
		}
	}
	return all
}

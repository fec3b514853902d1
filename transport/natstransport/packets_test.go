package natstransport_test

import (
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// What is said and asked of owners counts as well, at the end to which it came.
func TestPacketsAboutOwnersAreCounted(t *testing.T) {
	counts := func(tr *natstransport.Transport, what string, undecodable, refused uint64) {
		t.Helper()
		eventually(t, what+" is counted", func() bool { n, m := tr.PacketCounts(); return n >= undecodable && m == refused })
	}
	url := testkit.StartNATSServer(t, nil).URL()
	foreign := dial(t, url)
	liar, err := foreign.Subscribe("clstr.who", func(m *nats.Msg) { _ = m.Respond([]byte("\xff")) })
	if err != nil {
		t.Fatal(err)
	}
	if err := liar.AutoUnsubscribe(1); err != nil {
		t.Fatal(err)
	}
	if err := foreign.Flush(); err != nil {
		t.Fatal(err)
	}
	client := connect(t, natstransport.Options{URL: url})
	refused(t, client, transport.Envelope{Type: "Ask"}, outcome.ErrTransportNoShardSubscriber, outcome.NotStarted)
	counts(client, "an answer", 1, 0)

	node := connect(t, natstransport.Options{URL: url})
	if _, err := node.Backend().ServeOwners(patient(t), &records{epochs: make([]uint64, 9)}); err != nil {
		t.Fatal(err)
	}
	listener := connect(t, natstransport.Options{URL: url})
	refused(t, listener, transport.Envelope{Type: "Ask"}, outcome.ErrNotOwner, outcome.NotStarted)
	eventually(t, "the client listens", listener.Hears)
	post(t, foreign, "clstr.own", "", []byte("\xff"))
	counts(listener, "an announcement", 1, 0)
	post(t, foreign, "clstr.who", foreign.NewInbox(), []byte("\xff"))
	counts(node, "a question", 1, 0)
	post(t, foreign, "clstr.who", "orders", nil)
	counts(node, "a question from no inbox", 1, 1)
}

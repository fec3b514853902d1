package natstransport_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestCallersShareMessages: while many calls wait for an answer, callers that are ready at the same moment send their
// requests in few messages, although the first of them wakes the flusher. One processor makes the order certain.
func TestCallersShareMessages(t *testing.T) {
	const callers = 100
	url := testkit.StartNATS(t)
	client, nc := connect(t, natstransport.Options{URL: url}), dial(t, url)
	came := make(chan *nats.Msg, 2*callers)
	pretend(t, nc, 7, 1, func(m *nats.Msg) { came <- m })
	var all sync.WaitGroup
	defer all.Wait()
	request := func() {
		if _, err := client.Request(patient(t), transport.Envelope{Shard: 7, Type: "Ask"}); err != nil {
			t.Error(err)
		}
	}
	for range natstransport.Crowd {
		all.Go(request)
	}
	eventually(t, "the first are sent", func() bool { return client.OpenCalls() == natstransport.Crowd })

	ready, gate := make(chan struct{}, callers), make(chan struct{})
	for range callers {
		all.Go(func() { ready <- struct{}{}; <-gate; request() })
	}
	for range callers {
		<-ready
	}
	before := runtime.GOMAXPROCS(1)
	close(gate)
	eventually(t, "all are sent", func() bool { return client.OpenCalls() == natstransport.Crowd+callers })
	runtime.GOMAXPROCS(before)

	var d wire.Decoder
	var p wire.Packet
	messages := 0
	for seen := 0; seen < natstransport.Crowd+callers; {
		m := receive(t, "a message", came)
		if err := d.Decode(m.Data, &p); err != nil {
			t.Fatal(err)
		}
		if seen += len(p.Envelopes); seen > natstransport.Crowd {
			messages++
		}
		var b []byte
		for i := range p.Envelopes {
			b = wire.AppendReply(b, p.FirstID+uint64(i), nil, nil)
		}
		if err := m.Respond(wire.AppendEnd(b, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if messages > callers/2 {
		t.Errorf("%d requests went in %d messages", callers, messages)
	}
	t.Logf("%d requests went in %d messages", callers, messages)
}

package wire_test

import (
	"fmt"
	"time"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// A gateway that speaks the wire without a transport of ours: it sends two
// envelopes in one packet and reads what a node would send back.
func Example() {
	var b []byte
	for _, key := range []string{"acc-1", "acc-2"} {
		b = wire.AppendEnvelope(b, &transport.Envelope{Shard: 7, Type: "Deposit", Key: key, Data: []byte(`{}`)}, time.Second, nil, 0)
	}
	b = wire.AppendEnd(b, 41) // the ids are 41 and 42

	var d wire.Decoder
	var p wire.Packet
	if err := d.Decode(b, &p); err != nil {
		fmt.Println(err)
	}
	for i, e := range p.Envelopes {
		fmt.Println(p.FirstID+uint64(i), e.Type, e.Key, e.Budget)
	}

	answer := wire.AppendReply(nil, 41, []byte(`{"balance":1}`), nil)
	answer = wire.AppendReply(answer, 42, nil, outcome.Errorf(outcome.ErrDraining, "shard 7"))
	if err := d.Decode(wire.AppendEnd(answer, 0), &p); err != nil {
		fmt.Println(err)
	}
	for _, r := range p.Replies {
		if r.Err != nil {
			fmt.Println(r.ID, r.Err.Code, r.Err.Outcome)
			continue
		}
		fmt.Println(r.ID, string(r.Data))
	}
	// Output:
	// 41 Deposit acc-1 1s
	// 42 Deposit acc-2 1s
	// 41 {"balance":1}
	// 42 draining not started
}

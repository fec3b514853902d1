package natstransport_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/wire"
)

// at finds the subject of a shard's owner, as a client without this library does.
func at(t testing.TB, nc *nats.Conn, shard uint32) (subject string) {
	t.Helper()
	m, err := nc.Request("clstr.who", wire.AppendOwners(nil, &wire.Owners{First: shard, Ask: wire.AskOne}), patience)
	if err != nil {
		t.Fatalf("the owner of shard %d: %v", shard, err)
	}
	told, err := wire.DecodeOwners(m.Data)
	if err != nil || told.First != shard || len(told.Owners) != 1 || told.Owners[0].Node == "" {
		t.Fatalf("the owner of shard %d: %+v, %v", shard, told, err)
	}
	return "clstr.n." + told.Owners[0].Node + ".foreign"
}

// pretend says that a node without this library serves shards by a fixed list, and
// gives what is sent to it to h; nil is nothing.
func pretend(t testing.TB, nc *nats.Conn, first, count uint32, h nats.MsgHandler) {
	t.Helper()
	tell := wire.AppendOwners(nil, &wire.Owners{Node: "pretender", Runs: []uint32{first, count}})
	if h == nil {
		h = func(*nats.Msg) {}
	}
	if _, err := nc.Subscribe("clstr.n.pretender.*", h); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Subscribe("clstr.who", func(m *nats.Msg) { _ = m.Respond(tell) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

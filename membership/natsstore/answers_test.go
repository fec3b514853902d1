package natsstore_test

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/sharding"
)

// TestSteeredAnswers: a user that may only look has JetStream's answers stored in the place of records. They are
// records that were overwritten: nodes go on to read all others, and write these anew.
func TestSteeredAnswers(t *testing.T) {
	url := natstest.Serve(t, server.Options{Users: []*server.User{
		user("control", natsstore.ControlPermissions("")),
		user("look", natsstore.Permissions{Publish: []string{"$JS.API.STREAM.MSG.GET.KV_clstr_members", "$JS.API.DIRECT.GET.KV_clstr_members"}, Subscribe: []string{"clstr.ctl.>"}}),
	}}).URL()
	store := open(t, natsstore.Options{URL: as("control", url)})
	write(t, store, record.ConfigKey, 0, string(record.Encode(record.NewConfig(sharding.Layout{NumShards: 8}))))
	was := map[string]uint64{}
	for shard := range uint32(5) { // the others were never written
		was[record.ShardKey(shard)] = write(t, store, record.ShardKey(shard), 0, "ours")
	}
	look, err := nats.Connect(as("look", url), nats.CustomInboxPrefix("clstr.ctl"))
	if err != nil {
		t.Fatal(err)
	}
	defer look.Close()
	const bucket = "$KV.clstr_members."
	for _, ask := range []struct {
		api, question string
		at            uint32
	}{
		{"DIRECT.GET", `{"last_by_subj":"` + bucket + record.ShardKey(4) + `"}`, 5}, // stored where nothing is
		{"DIRECT.GET", `{"multi_last":["` + bucket + record.ShardKey(4) + `"]}`, 1}, // its end is stored
		{"DIRECT.GET", `{"last_by_subj":"` + bucket + `none"}`, 2},
		{"STREAM.MSG.GET", `{"last_by_subj":"` + bucket + record.ShardKey(4) + `"}`, 3},
	} {
		if err := look.PublishRequest("$JS.API."+ask.api+".KV_clstr_members", bucket+record.ShardKey(ask.at), []byte(ask.question)); err != nil {
			t.Fatal(err)
		}
	}
	for ctx, steered := patient(t), 0; steered < 4; {
		entries, _, err := store.Snapshot(ctx, record.ShardPrefix)
		if err != nil {
			t.Fatal(err)
		}
		steered = 0
		for _, e := range entries {
			switch rev := was[e.Key]; {
			case e.Rev > rev:
				steered++
			case e.Rev < rev || string(e.Value) != "ours":
				t.Fatalf("%+v, was ours at %d", e, rev)
			}
		}
		if len(entries) < 5 {
			t.Fatalf("%d shards", len(entries))
		}
	}
	for _, shard := range []uint32{1, 2, 3, 5} {
		e := read(t, store, record.ShardKey(shard))
		write(t, store, e.Key, e.Rev, "ours again")
	}
}

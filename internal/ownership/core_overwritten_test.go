package ownership

import (
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/sharding"
)

// TestConfigIsOverwritten with another layout's: a node that serves says so and writes its
// own again, unless a member that has come before goes by another, or the record is of a
// later version.
func TestConfigIsOverwritten(t *testing.T) {
	mine := record.NewConfig(layoutOfScripts)
	mine.Base, mine.Cluster = 1_700_000_000_000_000, "c"
	later := record.NewConfig(layoutOfScripts)
	later.Version++
	for name, c := range map[string]struct {
		with   string
		other  record.Member // with another layout
		comes  bool          // after the node
		healed bool
	}{
		"another NumShards":        {with: string(record.Encode(record.NewConfig(sharding.Layout{NumShards: 2 * scriptShards}))), healed: true},
		"another seed":             {with: string(record.Encode(record.NewConfig(sharding.Layout{NumShards: scriptShards, Seed: "x"}))), healed: true},
		"an empty object":          {with: "{}", healed: true},
		"a later version":          {with: string(record.Encode(later))},
		"others were there before": {with: string(record.Encode(record.NewConfig(sharding.Layout{NumShards: 4}))), other: record.Member{State: record.Active, Layout: "4"}},
		"others have left":         {with: string(record.Encode(record.NewConfig(sharding.Layout{NumShards: 4}))), other: record.Member{State: record.Left, Layout: "4"}, healed: true},
		"others have come since":   {with: string(record.Encode(record.NewConfig(sharding.Layout{NumShards: 4}))), other: record.Member{State: record.Active, Layout: "4"}, comes: true, healed: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, membership.Timing{})
			s.store[record.ConfigKey] = membership.Entry{Key: record.ConfigKey, Rev: 1, Value: record.Encode(mine)}
			if c.other.State != "" && !c.comes {
				s.alive(refB, c.other)
			}
			s.join()
			if c.comes {
				s.alive(refB, c.other)
			}
			s.run(10 * time.Second)
			s.told = nil
			s.hint(s.put(record.ConfigKey, []byte(c.with)))
			s.wantCount(1, "overwritten layout mismatch")
			s.run(time.Minute)
			s.wantCount(1, "overwritten layout mismatch")
			got, err := record.Decode[record.Config](s.store[record.ConfigKey].Value)
			if healed := err == nil && got == mine; healed != c.healed {
				t.Errorf("it says %+v, %v", got, err)
			}
			if c.healed {
				s.wantCount(1, "overwritten no more")
				s.wantCount(1, "rebased")
			}
		})
	}
}

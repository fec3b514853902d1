package membership

import (
	"testing"
	"time"

	"github.com/clstr-go/clstr/sharding"
)

// TestConfigIsOverwritten with another layout's: a node that serves says so and writes its
// own again, unless a member that has come before goes by another, or the record is of a
// later version.
func TestConfigIsOverwritten(t *testing.T) {
	mine := NewConfig(layoutOfScripts)
	mine.Base = 1_700_000_000_000_000
	later := NewConfig(layoutOfScripts)
	later.Version++
	for name, c := range map[string]struct {
		with   string
		other  Member // with another layout
		comes  bool   // after the node
		healed bool
	}{
		"another NumShards":        {with: string(NewConfig(sharding.Layout{NumShards: 2 * scriptShards}).Encode()), healed: true},
		"another seed":             {with: string(NewConfig(sharding.Layout{NumShards: scriptShards, Seed: "x"}).Encode()), healed: true},
		"an empty object":          {with: "{}", healed: true},
		"a later version":          {with: string(later.Encode())},
		"others were there before": {with: string(NewConfig(sharding.Layout{NumShards: 4}).Encode()), other: Member{State: Active, Layout: "4"}},
		"others have left":         {with: string(NewConfig(sharding.Layout{NumShards: 4}).Encode()), other: Member{State: Left, Layout: "4"}, healed: true},
		"others have come since":   {with: string(NewConfig(sharding.Layout{NumShards: 4}).Encode()), other: Member{State: Active, Layout: "4"}, comes: true, healed: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, Timing{})
			s.store[ConfigKey] = Entry{ConfigKey, 1, mine.Encode()}
			if c.other.State != "" && !c.comes {
				s.alive(refB, c.other)
			}
			s.join()
			if c.comes {
				s.alive(refB, c.other)
			}
			s.run(10 * time.Second)
			s.told = nil
			s.hint(s.put(ConfigKey, []byte(c.with)))
			s.wantCount(1, "overwritten layout mismatch")
			s.run(time.Minute)
			s.wantCount(1, "overwritten layout mismatch")
			got, err := Decode[Config](s.store[ConfigKey].Value)
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

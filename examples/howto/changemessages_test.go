package howto_test

import (
	"context"
	"errors"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// docs/howto/change-messages.md

// The types of the old version and those of the new one are two packages in real life.
type (
	OldRename struct{ Name string }
	OldNamed  struct{ Name string }

	Rename struct {
		Name   string
		Locale string // new: "" from old callers, which do not know it
	}
	Named struct {
		Name   string
		Locale string // new: old callers pass over it
	}
)

// MessageType keeps the name on the wire when the Go type gets another one.
func (OldRename) MessageType() string { return "profile.Rename" }
func (Rename) MessageType() string    { return "profile.Rename" }

type (
	Profile    struct{ name, locale string }
	OldProfile struct{ name string }
)

func (p *Profile) Rename(_ *actor.Context, m Rename) (Named, error) {
	p.name = m.Name
	if m.Locale != "" { // an old caller does not say it: keep what is there
		p.locale = m.Locale
	}
	return Named{p.name, p.locale}, nil
}

func (p *OldProfile) Rename(_ *actor.Context, m OldRename) (OldNamed, error) {
	p.name = m.Name
	return OldNamed{p.name}, nil
}

// RenameAll is a message that did not exist in the old version.
type RenameAll struct{ Names []string }

func (p *Profile) RenameAll(_ *actor.Context, m RenameAll) (Named, error) {
	p.name = m.Names[0]
	return Named{p.name, p.locale}, nil
}

var (
	profiles    = actor.Define("profile", func(string) *Profile { return &Profile{} }, actor.OnRequest((*Profile).Rename), actor.OnRequest((*Profile).RenameAll))
	oldProfiles = actor.Define("profile", func(string) *OldProfile { return &OldProfile{} }, actor.OnRequest((*OldProfile).Rename))
)

// TestOldAndNew: each version of the callers asks each version of the nodes.
func TestOldAndNew(t *testing.T) {
	for name, entity := range map[string]clstr.Entity{"new nodes": profiles, "old nodes": oldProfiles} {
		t.Run(name, func(t *testing.T) {
			svc := open(t, entity)
			key := svc.Kind("profile").Key("ada")
			if named, err := clstr.Ask[Named](t.Context(), key, Rename{"Ada", "en"}); err != nil || named.Name != "Ada" {
				t.Errorf("a new caller: %v, %v", named, err)
			}
			named, err := clstr.Ask[OldNamed](t.Context(), key, OldRename{"Ada L."})
			if err != nil || named.Name != "Ada L." {
				t.Errorf("an old caller: %v, %v", named, err)
			}
		})
	}
}

// TestNodesFirst: a message that old nodes do not know is refused, and never ran.
func TestNodesFirst(t *testing.T) {
	svc := open(t, oldProfiles)
	_, err := clstr.Ask[Named](context.Background(), svc.Kind("profile").Key("ada"), RenameAll{[]string{"A"}})
	if !errors.Is(err, cluster.ErrUnknownType) || !cluster.OutcomeOf(err).NeverRan() {
		t.Errorf("got %v", err)
	}
}

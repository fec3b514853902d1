// Package howto_test has the code of docs/howto, and runs it.
package howto_test

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/testkit"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// open is testkit.Open without strict replies: callers of the old version get more than
// they know.
func open(t *testing.T, entities ...clstr.Entity) *clstr.Service {
	t.Helper()
	testkit.CheckLeaks(t)
	svc := openOn(t, clstr.Memory(), entities...)
	t.Cleanup(func() { closed(t, svc) })
	return svc
}

func openOn(t *testing.T, on clstr.Network, entities ...clstr.Entity) *clstr.Service {
	t.Helper()
	svc, err := clstr.Open(t.Context(), clstr.Options{Name: "howto", On: on, Entities: entities, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

func closed(t *testing.T, svc *clstr.Service) {
	t.Helper()
	if err := svc.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// Why a message was not handled

package host

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/clstr-go/clstr/internal/bounds"
	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// What the methods of a turn's context say to the entity. These are not errors of calls: if an entity passes one on, its
// message has failed.
var (
	errNotDurable = errors.New("the entity is not durable")
	errNoTurn     = errors.New("the turn has ended")
)

// errFailed is why a turn that has returned an error stores no change.
var errFailed = errors.New("its turn has failed")

// What refusals suggest: a mailbox empties message by message, and a hook that is
// late already seldom returns in a moment.
const (
	retryMailbox = 5 * time.Millisecond
	retryStuck   = time.Second
)

// hostStops refuses a message because its key ends: the next owner serves it.
func hostStops(key string) *outcome.Error {
	return outcome.Errorf(outcome.ErrDraining, "key %.64q: host is stopping", key)
}

// notOwned refuses a message because another node may own the key by now.
func notOwned(key string) *outcome.Error {
	return outcome.Errorf(outcome.ErrNotOwner, "key %.64q: the node's lease on the shard has ended", key)
}

// lostAnswer answers a message that has run. Its answer was owed by an actor that has ended.
func lostAnswer(format string, args ...any) *outcome.Error {
	return failure(outcome.ErrDraining, "the key's actor has ended: "+format, args...).WithOutcome(outcome.MaybeRan)
}

// mostDetail is how many bytes of an error's detail travel: as many as of a handler's error.
const mostDetail = bounds.MaxErrorBytes / 2

// failure makes an error whose detail may have come from an application's error, of any length.
func failure(why error, format string, args ...any) *outcome.Error {
	detail := fmt.Sprintf(format, args...)
	if len(detail) <= mostDetail {
		return outcome.Errorf(why, "%s", detail)
	}
	end := mostDetail
	for !utf8.RuneStart(detail[end]) && mostDetail-end < utf8.UTFMax {
		end--
	}
	e := outcome.Errorf(why, "%s...", detail[:end])
	e.Cut = true
	return e
}

// legible makes an application's error safe to pass on: callers that wait must be told, whatever
// the error's methods do.
func legible(err error) error {
	if err == nil {
		return nil
	}
	if text, ok := sparse.Text(err); !ok {
		return errors.New(text)
	}
	return err
}

// notStored is the error of a turn that has run, if the store does not take its change.
func notStored(cause error) *outcome.Error {
	return failure(outcome.ErrNotStored, "%v", legible(cause))
}

// refusal is the error of a turn, if the keeper has ended its change with err. For code of this process it wraps the error
// of package state that err is.
func refusal(err error) *outcome.Error {
	switch {
	case errors.Is(err, state.ErrDeposed):
		return failure(outcome.ErrDeposed, "%v", err).Wrapping(state.ErrDeposed)
	case errors.Is(err, state.ErrFull):
		return notStored(err).Wrapping(state.ErrFull)
	case state.Refused(err):
		return notStored(err)
	}
	return failure(outcome.ErrDeposed, "%v", err).WithOutcome(outcome.MaybeRan)
}

// kept marks a refusal: the key keeps its state in memory, and tries again.
func kept(why *outcome.Error) *outcome.Error { return why.WithOutcome(outcome.MaybeRan) }

// isKept reports whether an error is such a refusal.
func isKept(err error) bool {
	return errors.Is(err, outcome.ErrNotStored) && outcome.Of(err) == outcome.MaybeRan
}

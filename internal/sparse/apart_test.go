package sparse

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAsk: the caller goes on, whatever the application's code does, and hears what that was.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := logger()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began, late := time.Now(), make(chan struct{})
		down := errors.New("down")
		for want, f := range map[string]func(context.Context) (int, error){
			"":                              func(context.Context) (int, error) { return 1, nil },
			"down":                          func(context.Context) (int, error) { return 1, down },
			"methods of the store panicked": func(context.Context) (int, error) { panic("boom") },
			"methods of the store ended their goroutine": func(context.Context) (int, error) { runtime.Goexit(); return 1, nil },
		} {
			n, err := Ask(ctx, log, "methods of the store", f)
			if text := text(err); text != want || (n == 1) != (err == nil || err == down) {
				t.Errorf("%d, %q, want %q", n, text, want)
			}
		}
		if time.Since(began) > 0 {
			t.Errorf("that took %v", time.Since(began))
		}
		_, err := Ask(ctx, log, "methods of the store", func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, down })
		if err != down || time.Since(began) != time.Minute {
			t.Errorf("code that ends with its context: %v after %v", err, time.Since(began))
		}
		_, err = Ask(ctx, log, "methods of the store", func(context.Context) (int, error) { <-late; return 1, nil })
		if took := time.Since(began) - time.Minute; took != Patience || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "go on although") {
			t.Errorf("code that does not end with its context: %v after %v more", err, took)
		}
		close(late)
		if all := lines(); len(all) != 1 || !strings.Contains(all[0], "methods of the store") || !strings.Contains(all[0], "boom") {
			t.Errorf("logged %q", all)
		}
	})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

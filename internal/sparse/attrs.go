// How lines spell kind, shard, key and a panic

package sparse

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// How much a line shows of a key, a panic's value, a stack and an error, in bytes.
const (
	maxKey   = 64
	maxPanic = 1 << 10
	maxStack = 16 << 10
	maxError = 1 << 10
)

// Entity is how every line names the key that it is about: kind=account shard=7
// key=user-123. A call to a shard has no key, and a kind without a name is left out.
func Entity[N ~int | ~uint32](kind string, shard N, key string) slog.Attr {
	attrs := make([]slog.Attr, 0, 3)
	if kind != "" {
		attrs = append(attrs, Kind(kind))
	}
	attrs = append(attrs, Shard(shard))
	if key != "" {
		attrs = append(attrs, slog.String("key", cut(key, maxKey)))
	}
	return slog.GroupAttrs("", attrs...)
}

// Kind is Entity if only the kind is known.
func Kind(kind string) slog.Attr { return slog.String("kind", kind) }

// Shard is Entity if only the shard is known.
func Shard[N ~int | ~uint32](shard N) slog.Attr { return slog.Int("shard", int(shard)) }

// Panic returns a panic's value and its stack. Call it from the deferred function that
// has recovered.
func Panic(value any) slog.Attr { return PanicWith(value, debug.Stack()) }

// PanicWith is Panic with a stack that was taken before.
func PanicWith(value any, stack []byte) slog.Attr {
	return slog.GroupAttrs("",
		slog.String("panic", cut(fmt.Sprint(value), maxPanic)),
		slog.String("stack", cut(string(stack), maxStack)))
}

// Text returns the text of an error. The error's methods are an application's code: Text returns
// false if they do not return.
func Text(err error) (text string, ok bool) {
	if how := apart(func() { text = err.Error() }); how != "" {
		return fmt.Sprintf("an error of type %T whose methods %s", err, how), false
	}
	return text, true
}

// shortened is a record whose errors are short, and have methods that return.
func shortened(r slog.Record) slog.Record {
	var attrs []slog.Attr
	changed := false
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok && a.Value.Kind() == slog.KindAny {
			if text, ok := Text(err); !ok || len(text) > maxError {
				a = slog.String(a.Key, cut(text, maxError))
				changed = true
			}
		}
		attrs = append(attrs, a)
		return true
	})
	if !changed {
		return r
	}
	short := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	short.AddAttrs(attrs...)
	return short
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s... (%d bytes)", text[:most], len(text))
}

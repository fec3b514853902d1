package natsctx

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// home makes a directory as the nats command leaves it.
func home(t *testing.T, files map[string]string) func(env map[string]string) func(string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, ".config", "nats", name)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if err == nil {
			err = os.WriteFile(file, []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return func(env map[string]string) func(string) string {
		return func(name string) string {
			if v, ok := env[name]; ok || name != "HOME" {
				return v
			}
			return dir
		}
	}
}

var files = map[string]string{
	"context.txt":         "dev\n",
	"context/dev.json":    `{"url": "nats://dev:4222", "user": "u", "password": "p", "description": "unknown fields are fine"}`,
	"context/prod.json":   `{"url": "tls://prod:4222", "creds": "~/prod.creds", "inbox_prefix": "_INBOX.ops", "tls_first": true}`,
	"context/nsc.json":    `{"nsc": "nsc://op/acc/user"}`,
	"context/domain.json": `{"jetstream_domain": "leaf"}`,
	"context/bad.json":    `{`,
}

// TestFind: flags win over the environment, and that over the file.
func TestFind(t *testing.T) {
	none := home(t, nil)
	env := home(t, files)
	type m = map[string]string
	for name, c := range map[string]struct {
		flags  Flags
		getenv func(string) string
		want   Context
	}{
		"nothing":             {Flags{}, none(nil), Context{URL: nats.DefaultURL}},
		"selected":            {Flags{}, env(nil), Context{Name: "dev", URL: "nats://dev:4222", User: "u", Password: "p"}},
		"by environment":      {Flags{}, env(m{"NATS_CONTEXT": "prod"}), Context{Name: "prod", URL: "tls://prod:4222", Creds: "~/prod.creds", InboxPrefix: "_INBOX.ops", TLSFirst: true}},
		"by flag":             {Flags{Context: "dev"}, env(m{"NATS_CONTEXT": "prod"}), Context{Name: "dev", URL: "nats://dev:4222", User: "u", Password: "p"}},
		"another server":      {Flags{}, env(m{"NATS_URL": "nats://x:1"}), Context{Name: "dev", URL: "nats://x:1", User: "u", Password: "p"}},
		"server by flag":      {Flags{Server: "nats://y:1"}, env(m{"NATS_URL": "nats://x:1"}), Context{Name: "dev", URL: "nats://y:1", User: "u", Password: "p"}},
		"other credentials":   {Flags{Creds: "my.creds"}, env(m{"NATS_CREDS": "x.creds"}), Context{Name: "dev", URL: "nats://dev:4222", Creds: "my.creds"}},
		"another user":        {Flags{Context: "prod"}, env(m{"NATS_USER": "v", "NATS_PASSWORD": "q"}), Context{Name: "prod", URL: "tls://prod:4222", User: "v", Password: "q", InboxPrefix: "_INBOX.ops", TLSFirst: true}},
		"another inbox":       {Flags{Context: "prod", InboxPrefix: "_INBOX.me"}, env(nil), Context{Name: "prod", URL: "tls://prod:4222", Creds: "~/prod.creds", InboxPrefix: "_INBOX.me", TLSFirst: true}},
		"a token":             {Flags{}, env(m{"NATS_TOKEN": "s3cr3t"}), Context{Name: "dev", URL: "nats://dev:4222", Token: "s3cr3t"}},
		"a JWT and its seed":  {Flags{}, env(m{"NATS_JWT": "eyJ", "NATS_SEED": "SUA"}), Context{Name: "dev", URL: "nats://dev:4222", UserJWT: "eyJ", UserSeed: "SUA"}},
		"an nkey":             {Flags{}, env(m{"NATS_NKEY": "k.nk", "NATS_SEED": "SUA"}), Context{Name: "dev", URL: "nats://dev:4222", NKey: "k.nk"}},
		"a token for nsc":     {Flags{Context: "nsc"}, env(m{"NATS_TOKEN": "s3cr3t"}), Context{Name: "nsc", URL: nats.DefaultURL, Token: "s3cr3t"}},
		"creds over a token":  {Flags{}, env(m{"NATS_CREDS": "x.creds", "NATS_TOKEN": "s3cr3t"}), Context{Name: "dev", URL: "nats://dev:4222", Creds: "x.creds"}},
		"XDG":                 {Flags{}, env(m{"XDG_CONFIG_HOME": "/nowhere"}), Context{URL: nats.DefaultURL}},
		"credentials for nsc": {Flags{Context: "nsc", Creds: "my.creds"}, env(nil), Context{Name: "nsc", URL: nats.DefaultURL, Creds: "my.creds"}},
	} {
		if got, err := Find(c.flags, c.getenv); err != nil || got != c.want {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", name, got, err, c.want)
		}
	}
	if got, want := Names(env(nil)), []string{"bad", "domain", "dev", "nsc", "prod"}; !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("there are %v, want %v", got, want)
	}
	if got := Names(func(string) string { return "" }); got != nil {
		t.Errorf("without a home there are %v", got)
	}
}

// TestFindRefuses: what cannot be done as the file says is not done otherwise.
func TestFindRefuses(t *testing.T) {
	env := home(t, files)(nil)
	for name, want := range map[string]string{
		"missing": "no such file",
		"bad":     "unexpected end of JSON",
		"nsc":     "give --creds",
		"domain":  `jetstream_domain "leaf"`,
		"../dev":  "cannot be the name",
	} {
		if got, err := Find(Flags{Context: name}, env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q in the error", name, got, err, want)
		}
	}
	for name, want := range map[string]string{"NATS_JWT": "NATS_SEED is not", "NATS_SEED": "NATS_JWT is not"} {
		half := func(asked string) string { return map[string]string{name: "eyJ.secret"}[asked] }
		if got, err := Find(Flags{}, half); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "eyJ.secret") {
			t.Errorf("%s alone: %+v, %v, want %q in the error", name, got, err, want)
		}
	}
	if _, err := (Context{Creds: "~/prod.creds"}).Options(env); err == nil || !strings.Contains(err.Error(), "prod.creds") {
		t.Errorf("credentials that are not there: %v", err)
	}
}

// TestOptions: what a connection is made with.
func TestOptions(t *testing.T) {
	options, err := Context{User: "u", Password: "p", Token: "t", InboxPrefix: "_INBOX.ops", TLSFirst: true}.Options(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	o := nats.GetDefaultOptions()
	for _, option := range options {
		if err := option(&o); err != nil {
			t.Fatal(err)
		}
	}
	if o.User != "u" || o.Password != "p" || o.Token != "t" || o.InboxPrefix != "_INBOX.ops" || !o.TLSHandshakeFirst {
		t.Errorf("%+v", o)
	}
}

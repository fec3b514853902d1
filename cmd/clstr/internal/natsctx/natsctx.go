// NATS contexts, environment and flags, as the nats command has them

// Package natsctx finds out how to connect to NATS as the nats command does: by
// flags, by the environment, and by the context files that `nats context` keeps.
package natsctx

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
)

// Context says how to connect. Its fields are the fields of a context file that matter
// here.
type Context struct {
	Name        string `json:"-"` // of the file; empty without one
	URL         string `json:"url"`
	Token       string `json:"token"`
	User        string `json:"user"`
	Password    string `json:"password"`
	Creds       string `json:"creds"`
	NKey        string `json:"nkey"`
	Cert        string `json:"cert"`
	Key         string `json:"key"`
	CA          string `json:"ca"`
	NSC         string `json:"nsc"`
	UserJWT     string `json:"user_jwt"`
	UserSeed    string `json:"user_seed"`
	InboxPrefix string `json:"inbox_prefix"`
	TLSFirst    bool   `json:"tls_first"`

	// Settings that clstr does not support. A context that has one is refused.
	SocksProxy  string `json:"socks_proxy"`
	JSDomain    string `json:"jetstream_domain"`
	JSAPIPrefix string `json:"jetstream_api_prefix"`
}

// Flags are from the command line. They win over the environment, which wins over a
// context file.
type Flags struct{ Context, Server, Creds, InboxPrefix string }

// Find puts the context together. A context that is named must exist. The one that
// `nats context select` has chosen may be missing.
func Find(f Flags, getenv func(string) string) (Context, error) {
	dir := Dir(getenv)
	name := cmp.Or(f.Context, getenv("NATS_CONTEXT"))
	named := name != ""
	if !named && dir != "" {
		chosen, err := os.ReadFile(filepath.Join(filepath.Dir(dir), "context.txt"))
		if err == nil {
			name = strings.TrimSpace(string(chosen))
		}
	}
	var c Context
	if name != "" {
		var err error
		if c, err = load(dir, name); err != nil && (named || !errors.Is(err, fs.ErrNotExist)) {
			return Context{}, err
		}
	}
	set(&c.URL, f.Server, getenv("NATS_URL"))
	if err := c.setUser(f, getenv); err != nil {
		return Context{}, err
	}
	set(&c.Cert, "", getenv("NATS_CERT"))
	set(&c.Key, "", getenv("NATS_KEY"))
	set(&c.CA, "", getenv("NATS_CA"))
	set(&c.InboxPrefix, f.InboxPrefix, "")
	c.URL = cmp.Or(c.URL, nats.DefaultURL)
	if c.NSC != "" {
		return Context{}, fmt.Errorf("context %q takes its user from nsc, which clstr does not ask: give --creds FILE (nsc generate creds)", c.Name)
	}
	for what, value := range map[string]string{"socks_proxy": c.SocksProxy, "jetstream_domain": c.JSDomain, "jetstream_api_prefix": c.JSAPIPrefix} {
		if value != "" {
			return Context{}, fmt.Errorf("context %q has %s %q, which clstr does not know", c.Name, what, value)
		}
	}
	return c, nil
}

// setUser takes the user from the first of these that is set: --creds, NATS_CREDS,
// NATS_USER, NATS_JWT, NATS_NKEY, NATS_TOKEN. It replaces all that the file says of a
// user, because half of one user and half of another is no user.
func (c *Context) setUser(f Flags, getenv func(string) string) error {
	u := Context{Creds: cmp.Or(f.Creds, getenv("NATS_CREDS"))}
	switch {
	case u.Creds != "":
	case getenv("NATS_USER") != "":
		u.User, u.Password = getenv("NATS_USER"), getenv("NATS_PASSWORD")
	case getenv("NATS_JWT") != "":
		u.UserJWT, u.UserSeed = getenv("NATS_JWT"), getenv("NATS_SEED")
		if u.UserSeed == "" {
			return errors.New("NATS_JWT is set and NATS_SEED is not: the JWT names the user, and the seed signs for it")
		}
	case getenv("NATS_NKEY") != "":
		u.NKey = getenv("NATS_NKEY")
	case getenv("NATS_TOKEN") != "":
		u.Token = getenv("NATS_TOKEN")
	case getenv("NATS_SEED") != "":
		return errors.New("NATS_SEED is set and NATS_JWT is not: a seed alone names no user (NATS_NKEY takes the file of an nkey)")
	default:
		return nil
	}
	c.Creds, c.User, c.Password, c.Token = u.Creds, u.User, u.Password, u.Token
	c.NKey, c.NSC, c.UserJWT, c.UserSeed = u.NKey, "", u.UserJWT, u.UserSeed
	return nil
}

func set(field *string, flag, env string) { *field = cmp.Or(flag, env, *field) }

// Dir is where the nats command keeps its contexts. It is empty if there is no home
// directory.
func Dir(getenv func(string) string) string {
	config := getenv("XDG_CONFIG_HOME")
	if config == "" {
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		config = filepath.Join(home, ".config")
	}
	return filepath.Join(config, "nats", "context")
}

// Names lists the contexts that exist.
func Names(getenv func(string) string) []string {
	dir := Dir(getenv)
	if dir == "" {
		return nil
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.json")) // fails for a bad pattern only
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(filepath.Base(f), ".json")
	}
	return names
}

func load(dir, name string) (Context, error) {
	if name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
		return Context{}, fmt.Errorf("%q cannot be the name of a context", name)
	}
	file := filepath.Join(dir, name+".json")
	b, err := os.ReadFile(file)
	if err != nil {
		return Context{}, fmt.Errorf("context %q: %w", name, err)
	}
	c := Context{}
	if err := json.Unmarshal(b, &c); err != nil {
		return Context{}, fmt.Errorf("context %q: %s: %w", name, file, err)
	}
	c.Name = name
	return c, nil
}

// Options returns the options of nats.go for the context.
func (c Context) Options(getenv func(string) string) ([]nats.Option, error) {
	path := func(p string) string {
		if rest, ok := strings.CutPrefix(p, "~/"); ok {
			return filepath.Join(getenv("HOME"), rest)
		}
		return p
	}
	var o []nats.Option
	switch { // in the order of the nats command
	case c.User != "":
		o = append(o, nats.UserInfo(c.User, c.Password))
	case c.Creds != "":
		if _, err := os.Stat(path(c.Creds)); err != nil {
			return nil, fmt.Errorf("credentials: %w", err)
		}
		o = append(o, nats.UserCredentials(path(c.Creds)))
	case c.NKey != "":
		key, err := nats.NkeyOptionFromSeed(path(c.NKey))
		if err != nil {
			return nil, fmt.Errorf("nkey %s: %w", c.NKey, err)
		}
		o = append(o, key)
	case c.UserJWT != "":
		o = append(o, nats.UserJWTAndSeed(c.UserJWT, c.UserSeed))
	}
	if c.Token != "" {
		o = append(o, nats.Token(c.Token))
	}
	if c.Cert != "" && c.Key != "" {
		o = append(o, nats.ClientCert(path(c.Cert), path(c.Key)))
	}
	if c.CA != "" {
		o = append(o, nats.RootCAs(path(c.CA)))
	}
	if c.TLSFirst {
		o = append(o, nats.TLSHandshakeFirst())
	}
	if c.InboxPrefix != "" {
		o = append(o, nats.CustomInboxPrefix(c.InboxPrefix))
	}
	return o, nil
}

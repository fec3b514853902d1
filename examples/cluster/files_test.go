package main

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.yaml.in/yaml/v3"

	"github.com/clstr-go/clstr/membership/natsstore"
)

// Docker and Kubernetes are not there where tests run. So these tests see to it
// that the files can be read, and agree with the program and with each other.

type dict = map[string]any

// at follows a path through maps and lists; nil where it ends.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(dict)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func documents(t *testing.T, name string) (all []dict) {
	t.Helper()
	d := yaml.NewDecoder(bytes.NewReader([]byte(text(t, name))))
	for {
		var doc dict
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, doc)
	}
}

// knows fails for variables that are not settings of the program.
func knows(t *testing.T, env []string) {
	t.Helper()
	var usage strings.Builder
	f := newFlags(&settings{})
	f.SetOutput(&usage)
	f.PrintDefaults()
	for _, name := range env {
		setting, ours := strings.CutPrefix(name, "CLSTR_")
		if ours && f.Lookup(strings.ToLower(setting)) == nil {
			t.Errorf("%s is no setting; these are:\n%s", name, &usage)
		}
	}
	for _, needed := range []string{"CLSTR_NATS", "CLSTR_CONTROL", "CLSTR_DATA", "CLSTR_STATE"} {
		if !slices.Contains(env, needed) {
			t.Errorf("%s is not given", needed)
		}
	}
}

// image is that of the server that the tests run.
func image(t *testing.T) string {
	t.Helper()
	v := regexp.MustCompile(`nats-server/v2 v(\d+\.\d+)`).FindStringSubmatch(text(t, "../../go.mod"))
	if v == nil {
		t.Fatal("go.mod has no nats-server")
	}
	return "nats:" + v[1] + "-alpine"
}

func TestNATSConfig(t *testing.T) {
	for _, user := range []string{"CONTROL", "DATA", "STATE", "WEB"} {
		t.Setenv(user+"_PASSWORD", "p"+user)
	}
	opts, err := server.ProcessConfigFile("nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	expected := map[string]natsstore.Permissions{ // as package natsstore says
		"control": natsstore.ControlPermissions("clstr"),
		"data": {Publish: []string{"clstr.n.>", "clstr.who", "clstr.own", "_INBOX.>"},
			Subscribe: []string{"clstr.n.>", "clstr.who", "clstr.own", "_INBOX.data.>"}},
		"web": {Publish: []string{"clstr.n.>", "clstr.who"}, Subscribe: []string{"clstr.own", "_INBOX.web.>"}},
	}
	for _, u := range opts.Users {
		want(t, u.Username+"'s password", u.Password, "p"+strings.ToUpper(u.Username))
		if p, ok := expected[u.Username]; ok {
			if !slices.Equal(u.Permissions.Publish.Allow, p.Publish) || !slices.Equal(u.Permissions.Subscribe.Allow, p.Subscribe) {
				t.Errorf("%s may publish %q and subscribe %q, want %+v", u.Username, u.Permissions.Publish.Allow, u.Permissions.Subscribe.Allow, p)
			}
			delete(expected, u.Username)
		} else if u.Username != "state" || slices.ContainsFunc(u.Permissions.Publish.Allow, func(s string) bool { return !strings.Contains(s, "counters") && s != "$JS.API.INFO" }) {
			t.Errorf("who is %s, who may publish %q?", u.Username, u.Permissions.Publish.Allow)
		}
	}
	want(t, "users without an entry", len(expected), 0)
	want(t, "JetStream", opts.JetStream, true)
	want(t, "the store's directory", opts.StoreDir, "/data")
	want(t, "the port of health checks", opts.HTTPPort, 8222)
}

func TestCompose(t *testing.T) {
	c := documents(t, "compose.yaml")[0]
	want(t, "the server", at(c, "services", "nats", "image"), any(image(t)))
	for _, name := range []string{"node-1", "node-2", "node-3"} {
		n := at(c, "services", name)
		want(t, "the name of "+name, at(n, "hostname"), any(name))
		want(t, "what it waits for", at(n, "depends_on", "nats", "condition"), any("service_healthy"))
		want(t, "its health check", at(n, "healthcheck", "test", 2), any("-probe"))
		file, _ := at(n, "build", "dockerfile").(string)
		text(t, "../../"+file)
		env, _ := at(n, "environment").(dict)
		knows(t, slices.Collect(maps.Keys(env)))
		grace, _ := at(n, "stop_grace_period").(string)
		longEnough(t, grace)
	}
}

func TestKubernetes(t *testing.T) {
	docs := documents(t, "kubernetes.yaml")
	find := func(kind, name string) dict {
		t.Helper()
		for _, d := range docs {
			if at(d, "kind") == kind && at(d, "metadata", "name") == name {
				return d
			}
		}
		t.Fatalf("no %s %s", kind, name)
		return nil
	}
	nats, nodes := find("StatefulSet", "nats"), find("StatefulSet", "clstr")
	want(t, "the server", at(nats, "spec", "template", "spec", "containers", 0, "image"), any(image(t)))
	want(t, "nodes", at(nodes, "spec", "replicas"), any(3))
	pod := at(nodes, "spec", "template", "spec")
	seconds, _ := at(pod, "terminationGracePeriodSeconds").(int)
	longEnough(t, (time.Duration(seconds) * time.Second).String())
	container := at(pod, "containers", 0)
	want(t, "readiness", at(container, "readinessProbe", "httpGet", "path"), any("/readyz"))
	want(t, "liveness", at(container, "livenessProbe", "httpGet", "path"), any("/livez"))
	want(t, "start", at(container, "startupProbe", "httpGet", "path"), any("/livez"))
	secret, _ := find("Secret", "nats")["stringData"].(dict)
	var env []string
	for _, c := range []any{container, at(nats, "spec", "template", "spec", "containers", 0)} {
		list, _ := at(c, "env").([]any)
		for _, e := range list {
			if c := at(e, "name").(string); strings.HasPrefix(c, "CLSTR_") {
				env = append(env, c)
			}
			if key, ok := at(e, "valueFrom", "secretKeyRef", "key").(string); ok && secret[key] == nil {
				t.Errorf("the secret has no %s", key)
			}
		}
	}
	knows(t, env)
	for _, d := range []any{find("PodDisruptionBudget", "clstr"), nodes} {
		want(t, "whom it selects", at(d, "spec", "selector", "matchLabels", "app"), at(nodes, "spec", "template", "metadata", "labels", "app"))
	}
	want(t, "whom the service selects", at(find("Service", "clstr"), "spec", "selector", "app"), at(nodes, "spec", "template", "metadata", "labels", "app"))
	k := documents(t, "kustomization.yaml")[0]
	want(t, "resources", at(k, "resources", 0), any("kubernetes.yaml"))
	want(t, "configuration", at(k, "configMapGenerator", 0, "files", 0), any("nats.conf"))
	want(t, "its name", at(k, "configMapGenerator", 0, "name"), at(nats, "spec", "template", "spec", "volumes", 0, "configMap", "name"))
}

// longEnough: who ends a node gives it the time that it may take.
func longEnough(t *testing.T, grace string) {
	t.Helper()
	const stop = 30 * time.Second // cluster.NodeOptions.StopTimeout, by default
	var s settings
	newFlags(&s)
	d, err := time.ParseDuration(grace)
	if err != nil || d < stop+s.linger+requestTimeout {
		t.Errorf("a grace of %q (%v), and a node may take %v", grace, err, stop+s.linger+requestTimeout)
	}
}

func TestDockerfile(t *testing.T) {
	file := text(t, "Dockerfile")
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(text(t, "../../go.mod"))
	for _, line := range []string{"FROM golang:" + version[1] + " AS build", "./examples/cluster", "USER 65532"} {
		if !strings.Contains(file, line) {
			t.Errorf("no %q", line)
		}
	}
}

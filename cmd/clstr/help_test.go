package main

import (
	"runtime"
	"strings"
	"testing"
)

// TestVersion: a bug report can say from what the command was built.
func TestVersion(t *testing.T) {
	r := command(t, nil, nil, "version")
	if r.exit != 0 || !strings.HasPrefix(r.out, "clstr ") || !strings.Contains(r.out, runtime.Version()) {
		t.Errorf("exit code %d: %s%s", r.exit, r.out, r.err)
	}
	v := decode[versionJSON](t, command(t, nil, nil, "version", "--json").out)
	if v.Version == "" || v.Go != runtime.Version() || v.Platform != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("%+v", v)
	}
	v = versionJSON{Version: "v1.2.3", Revision: "0123456789abcdef0123", Modified: true, Go: "go1.26", Platform: "linux/arm64"}
	if got := v.String(); got != "clstr v1.2.3, commit 0123456789ab with changes, go1.26, linux/arm64" {
		t.Error(got)
	}
}

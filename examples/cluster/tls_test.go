package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/testkit"
)

// authority signs certificates.
type authority struct {
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func write(t *testing.T, file, kind string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// sign makes a certificate; the first, without an issuer, is the authority's own.
func (a *authority) sign(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if a.cert == nil {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		a.key, a.cert = private, c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(a.dir, name)
	return write(t, file+".pem", "CERTIFICATE", der), write(t, file+".key", "PRIVATE KEY", b)
}

// TestTLS: a node serves through a server that verifies its clients, and one without a
// certificate, or that does not know the server's, is turned away.
func TestTLS(t *testing.T) {
	a := &authority{dir: t.TempDir()}
	ca, _ := a.sign(t, "ca")
	serverCert, serverKey := a.sign(t, "server")
	cert, key := a.sign(t, "node-1")
	for _, user := range []string{"CONTROL", "DATA", "STATE", "WEB"} {
		t.Setenv(user+"_PASSWORD", "secret-of-"+user)
	}
	config := text(t, "nats.conf") // with its block for TLS
	config = strings.NewReplacer("# tls {", "tls {", "#       ca_file", "ca_file", "/etc/nats/server.pem", serverCert,
		"/etc/nats/server.key", serverKey, "/etc/nats/ca.pem", ca).Replace(config)
	file := filepath.Join(a.dir, "nats.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if opts.TLSConfig == nil || opts.TLSConfig.ClientAuth != tls.RequireAndVerifyClientCert {
		t.Fatal("nats.conf has no block for TLS that verifies clients")
	}
	opts.TLSTimeout = 10 // where tests wait for each other
	opts.Host, opts.Port, opts.HTTPPort, opts.StoreDir = "127.0.0.1", server.RANDOM_PORT, 0, t.TempDir()
	url := strings.Replace(testkit.StartNATSServer(t, opts).URL(), "nats://", "tls://", 1)

	for name, o := range map[string]settings{
		"without the authority":    {cert: cert, key: key},
		"without a certificate":    {ca: ca},
		"with another's authority": {ca: cert, cert: cert, key: key},
	} {
		if nc, err := nats.Connect(url, o.as("control:secret-of-CONTROL")...); err == nil {
			nc.Close()
			t.Errorf("%s: the server lets it in", name)
		}
	}
	if err := run(t.Context(), []string{"-cert", cert}); err == nil || !strings.Contains(err.Error(), "-key") {
		t.Errorf("half a certificate: %v", err)
	}
	t.Setenv("CLSTR_CA", ca)
	t.Setenv("CLSTR_CERT", cert)
	t.Setenv("CLSTR_KEY", key)
	n := start(t, url, "node-1")
	await(t, "the node is ready", func() bool { return n.ready(t) })
	if status, body, err := call("POST", n.url+"/counters/visits"); status != 200 || body != "1" || err != nil {
		t.Errorf("a request: %d %s, %v", status, body, err)
	}
	_ = n.cmd.Process.Signal(os.Interrupt)
	if err := <-n.ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if strings.Contains(n.log.String(), "ERROR") {
		t.Errorf("the log:\n%s", &n.log)
	}
}

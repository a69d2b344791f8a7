package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"strings"
)

// MinSecret is how long a secret must be, in bytes: as long as what SHA-256 gives
// (RFC 7518 section 3.2).
const MinSecret = 32

// minRSA is how long a key of RSA must be, in bits (RFC 7518 section 3.3).
const minRSA = 2048

// methods are the signatures that a key may verify. The key says so, never the
// token: a public key is no secret for an HMAC, and a curve has one method.
func methods(key any) []string {
	switch key := key.(type) {
	case []byte:
		return []string{"HS256", "HS384", "HS512"}
	case *rsa.PublicKey:
		if key.N.BitLen() >= minRSA {
			return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
		}
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return []string{"ES256"}
		case elliptic.P384():
			return []string{"ES384"}
		case elliptic.P521():
			return []string{"ES512"}
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	}
	return nil
}

// publicKey reads a key from PEM, or from the file of that name. An error does
// not repeat the text, which may be a secret in the wrong place.
func publicKey(text string) (any, error) {
	if !strings.Contains(text, "-----BEGIN") {
		b, err := os.ReadFile(text)
		if fault, ok := errors.AsType[*fs.PathError](err); ok {
			return nil, fault.Err
		}
		text = string(b)
	}
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, errors.New("is neither PEM nor a file of it")
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, errors.New("is a private key, which only the issuer of tokens may have")
	case len(strings.TrimSpace(string(rest))) > 0:
		return nil, errors.New("holds more than one key")
	}
	key, err := parseKey(block)
	if err != nil {
		return nil, errors.New("holds no public key")
	}
	if methods(key) == nil {
		return nil, errors.New("is not a key of RSA from 2048 bits, of P-256, P-384 or P-521, or of Ed25519")
	}
	return key, nil
}

func parseKey(block *pem.Block) (any, error) {
	switch block.Type {
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return c.PublicKey, nil
	default:
		return x509.ParsePKIXPublicKey(block.Bytes)
	}
}

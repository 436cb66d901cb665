package main

// If the system has no certificates (an image with nothing but the binary), those of
// Mozilla's list in this build are trusted. SSL_CERT_FILE, SSL_CERT_DIR and the
// system's own certificates take precedence; GODEBUG=x509usefallbackroots=1 reverses
// that.
import _ "golang.org/x/crypto/x509roots/fallback" // registers the certificates

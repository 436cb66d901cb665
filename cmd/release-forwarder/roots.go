package main

// Where the system has no certificates (an image with nothing but the binary),
// those of Mozilla's list that came with the build are trusted. SSL_CERT_FILE and
// SSL_CERT_DIR, or a system's own, go before them; GODEBUG=x509usefallbackroots=1
// turns that around.
import _ "golang.org/x/crypto/x509roots/fallback" // registers them

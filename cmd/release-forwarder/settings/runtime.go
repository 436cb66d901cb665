package settings

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Variables that Go's runtime and library read by themselves and silently ignore if they are
// wrong: each is warned of here. GOMEMLIMIT is not among them: the runtime refuses to start
// with a wrong one, and names it.
//
// A judge gets the text as the runtime does, blank space included.
var runtimeVariables = []struct {
	name  string
	judge func(text string) error
	then  string // what is in force instead
}{
	{"GOGC", judgeGOGC, "the collector's pace is the program's own"},
	{"GOMAXPROCS", judgeGOMAXPROCS, "as many threads run as there are CPUs"},
	{"GODEBUG", judgeGODEBUG, "that part has no effect"},
	{"TZ", judgeTZ, "this host's zone is UTC; events' times are in EVENT_TIMEZONE whatever it is"},
	{"ZONEINFO", judgeExists, "zones are the system's, or those in the binary"},
	{"SSL_CERT_FILE", CheckCertificates, "certificates are checked by what else the system trusts, and that may be none of yours"},
	{"SSL_CERT_DIR", judgeCertDir, "certificates are checked by what else the system trusts, and that may be none of yours"},
}

func (l *loader) judgeRuntime() {
	for _, v := range runtimeVariables {
		if given := os.Getenv(v.name); given != "" {
			if err := v.judge(given); err != nil {
				l.warn(v.name, "%s; %s", err, v.then)
			}
		}
	}
}

// GCPercent reads GOGC as the runtime does: ok is false where it is not set or wrong.
func GCPercent(text string) (percent int, ok bool) {
	if text == "off" {
		return -1, true
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return int(n), err == nil
}

func judgeGOGC(text string) error {
	if _, ok := GCPercent(text); !ok {
		return errors.New("is neither a whole number nor off")
	}
	return nil
}

func judgeGOMAXPROCS(text string) error {
	if n, err := strconv.ParseInt(text, 10, 32); err != nil || n < 1 {
		return errors.New("is not a whole number above 0")
	}
	return nil
}

var debugSetting = regexp.MustCompile(`^[A-Za-z0-9_.]+=[!-~]+$`)

func judgeGODEBUG(text string) error {
	for i, setting := range strings.Split(text, ",") {
		if setting != "" && !debugSetting.MatchString(setting) {
			return fmt.Errorf("has in place %d no name=value", i+1)
		}
	}
	return nil
}

// judgeTZ allows what package time does: a zone's name or a file, with or without a colon.
func judgeTZ(text string) error {
	text = strings.TrimPrefix(text, ":")
	if filepath.IsAbs(text) {
		return judgeExists(text)
	}
	if _, err := time.LoadLocation(text); err != nil {
		return errors.New("names no time zone")
	}
	return nil
}

func judgeExists(path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("cannot be read (%w)", reason(err))
	}
	return nil
}

// CheckCertificates says why a library cannot use a file of certificates as it is.
func CheckCertificates(path string) error {
	contents, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot be read (%w)", reason(err))
	}
	if _, err := ParseCA(nil, contents); err != nil {
		return err
	}
	if bytes.HasPrefix(contents, []byte(byteOrderMark)) { // crypto/x509 reads it as it is
		return errors.New("the file has a byte order mark before its first certificate, which is left out")
	}
	return nil
}

func judgeCertDir(paths string) error {
	for i, path := range strings.Split(paths, ":") {
		if _, err := os.ReadDir(path); err != nil {
			return fmt.Errorf("its folder %d cannot be read (%w)", i+1, reason(err))
		}
	}
	return nil
}

// reason is why a file cannot be used, without its path.
func reason(err error) error {
	if at, ok := errors.AsType[*os.PathError](err); ok {
		return at.Err
	}
	return err
}

package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Hash is the same for all replicas of a group whose settings agree, and another one where they do not. It leaves out what
// may differ between replicas (tag own) and what is seen of secrets and files, which are changed one replica after the other.
// A setting that has its default adds nothing, so that versions with more settings agree with those before.
func (s *Settings) Hash() string {
	sum := sha256.New()
	for _, f := range fields {
		if s.differs[f.Name] && f.shared() {
			fmt.Fprintf(sum, "%s=%s\n", f.Name, oneLine(s.shown[f.Name]))
		}
	}
	if f := s.Event.File; f != nil { // it changes with a rollout, not one replica after the other
		fmt.Fprintf(sum, "MAPPING_FILE %x\n", f.Sum)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}

// shared reports whether all replicas of a group must have the same value.
func (f *field) shared() bool {
	return !f.Secret && f.Type != "file" && f.Group != GroupAdmin && f.Group != GroupLog && f.tag.Get("own") != "true"
}

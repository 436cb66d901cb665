package dlq

import (
	"fmt"
	"strings"
)

// MissingError says that there is no letter with an ID.
type MissingError struct {
	ID         ID
	First, End int64 // the partition's offsets: from First, up to but excluding End
}

func (e *MissingError) Error() string {
	if e.First >= e.End {
		return fmt.Sprintf("there is no dead letter %s: the partition is empty", e.ID)
	}
	if e.ID.Offset < e.First {
		return fmt.Sprintf("there is no dead letter %s: retention took it; the partition begins at %d", e.ID, e.First)
	}
	if e.ID.Offset >= e.End {
		return fmt.Sprintf("there is no dead letter %s: the partition ends at %d", e.ID, e.End-1)
	}
	return fmt.Sprintf("there is no dead letter %s: that offset holds no record", e.ID)
}

// OtherGroupError says that a letter is another consumer group's.
type OtherGroupError struct {
	ID    ID
	Group string
}

func (e *OtherGroupError) Error() string {
	return fmt.Sprintf("dead letter %s is of the group %s, not of this one", e.ID, quoted(e.Group))
}

// UnfitError says why a letter cannot be replayed.
type UnfitError struct {
	ID       ID
	Problems []string
}

func (e *UnfitError) Error() string {
	return fmt.Sprintf("dead letter %s cannot be replayed: %s", e.ID, strings.Join(e.Problems, "; "))
}

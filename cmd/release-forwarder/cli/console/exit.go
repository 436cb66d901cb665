package console

// Exit codes.
const (
	ExitAsked  = 0 // stopped as asked
	ExitFailed = 1 // anything else
	ExitWrong  = 2 // the configuration is wrong
)

package deadletters

import (
	"context"
	"encoding/json"
	"fmt"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/dlq"
	"release-forwarder/dlq/ledger"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
)

// ShowCommand shows one dead letter.
type ShowCommand struct {
	ID        string `arg:"" name:"id" help:"The dead letter: topic/partition/offset, or partition/offset."`
	To        string `placeholder:"TOPIC" help:"The topic that a replay would send to, instead of KAFKA_REPLAY_TOPIC or KAFKA_TOPIC."`
	AllGroups bool   `help:"Also a dead letter of another consumer group than KAFKA_GROUP_ID."`
	Reveal    bool   `help:"Show everything as it is."`
	JSON      bool   `name:"json" help:"Print one JSON object."`
}

// Help implements kong's HelpProvider.
func (ShowCommand) Help() string {
	return `Prints one dead letter: what became of it, why it was given up, and the record. Then the
request that the event becomes if it can be mapped now, the string to sign, and what a replay
would do.

Without --reveal, plate, operator and free text are shown as first character and length, and
key and headers as their lengths. It uses Kafka's settings, the event's and the credentials.

Who replayed or closed it, when and why is what the ledger says; whoever may write there can
write any name. "redrives" and "origin" are what the record says. They are believed only of a
record that lay in KAFKA_REPLAY_TOPIC, or in a topic of KAFKA_TOPIC where that is not set;
otherwise they are shown as claimed.

Example:

  release-forwarder dlq show 0/17`
}

// Run shows a dead letter.
func (c *ShowCommand) Run(stop console.Stopper, out *console.Output) error {
	return c.Do(stop, console.NewScreen(stop, out), nil)
}

// Do runs the command on a screen. A nil dial is the network.
func (c *ShowCommand) Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error {
	groups := []settings.Group{settings.GroupCredential}
	return session.Open(ctx, sc, dial, c.AllGroups, c.To, groups, func(r *session.Session) error {
		ids, err := r.IDs(ctx, []string{c.ID})
		if err != nil {
			return err
		}
		ledger, err := r.Ledger(ctx, ids...)
		if err != nil {
			return err
		}
		for s, err := range r.Reader.Pick(ctx, ids...) {
			if err != nil {
				return err
			}
			return c.show(ctx, r, s, ledger)
		}
		return nil
	})
}

// shownWhole is what show prints; with --json exactly this.
type shownWhole struct {
	shownDeadLetter
	Decided *ledger.Entry `json:"decided,omitempty"`
	// Request is what the event becomes, StringToSign what is signed then; both are
	// absent if it cannot be mapped, and Unmappable says why.
	Request      []redact.Member `json:"request,omitempty"`
	StringToSign string          `json:"string_to_sign,omitempty"`
	Unmappable   string          `json:"unmappable,omitempty"`
	Replay       string          `json:"replay"`
}

func (c *ShowCommand) show(ctx context.Context, r *session.Session, s *dlq.Stored, ledger *ledger.Ledger) error {
	w := shownWhole{shownDeadLetter: showDeadLetter(r, s, ledger.State(s), c.Reveal, true), Decided: ledger.Entry(s)}
	if w.Decided != nil {
		w.AsStated = append(w.AsStated, "decided")
	}
	release, err := r.Mapper.Map(session.Mapped(s, s.Value))
	if err == nil {
		w.Request, w.StringToSign = c.request(r, release)
	} else {
		w.Unmappable = err.Error() // names fields, holds no values
	}
	w.Replay = c.outlook(ctx, r, s, w.State)
	if c.JSON {
		return json.NewEncoder(r.Out).Encode(w)
	}
	w.print(r)
	return nil
}

// request gives the parameters and the string to sign, both redacted.
func (c *ShowCommand) request(r *session.Session, release *mapping.Release) ([]redact.Member, string) {
	var shown []redact.Member
	var params []upstream.Param
	if c, _ := session.CredentialOf(r.Settings.Credential.Book(), r.Settings.Credential, release.Lot()); c.AppID != "" {
		params = append(params, upstream.Param{Name: "app_id", Value: c.AppID})
	}
	for name, value := range release.All() {
		if f, _ := r.Mapper.Endpoint().Field(name); f.Personal && !c.Reveal {
			value = redact.Text(value)
		}
		shown = append(shown, redact.Member{Name: name, Value: value})
		params = append(params, upstream.Param{Name: name, Value: value})
	}
	return shown, upstream.StringToSign(params, "***")
}

// outlook says what a replay would do with the dead letter.
func (c *ShowCommand) outlook(ctx context.Context, r *session.Session, s *dlq.Stored, state dlq.State) string {
	if err := s.Unfit(); err != nil {
		return "refuses: " + err.Error()
	}
	to, err := session.Target(r.Settings, c.To).Of(s)
	if err != nil {
		return "refuses: " + err.Error()
	}
	topic, err := r.Replayer.Target(ctx, to)
	if err != nil {
		return "refuses: " + err.Error()
	}
	partition, err := topic.Partition(s)
	if err != nil {
		return "refuses: " + err.Error()
	}
	text := fmt.Sprintf("sends it to %s, partition %d, as replay %d of the event that began as %s", to, partition, s.Redrives+1, s.Origin)
	if state != dlq.Open {
		return "passes it over, since it is " + string(state) + "; with --again it " + text
	}
	return text
}

func (w *shownWhole) print(r *session.Session) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(r.Out, "%-15s %s\n", name, visible.Line(fmt.Sprintf(format, args...)))
	}
	optional := func(name, value string) {
		if value != "" {
			line(name, "%s", redact.Clean(value))
		}
	}
	line("dead letter", "%s", w.ID)
	line("state", "%s", w.State)
	if d := w.Decided; d != nil {
		line("", "by %s (as stated), %s", redact.Clean(d.By), r.Local(redact.Stamp(d.At)))
		optional("", d.Why)
		if d.To != "" {
			line("", "sent to %s", d.To)
		}
		if d.Changed {
			line("", "with changed fields")
		}
	}
	optional("written", r.Local(w.Written))
	for _, p := range w.Problems {
		line("unreadable", "%s", p)
	}
	optional("group", w.Group)
	optional("event", w.Source)
	optional("dated", r.Local(w.Dated))
	if w.Origin != w.Source {
		optional("began as", w.Origin+" (as its writer states)")
	}
	optional("stage", w.Stage)
	optional("reason", w.Reason)
	optional("field", w.Field)
	optional("code", w.Code)
	optional("message", w.Message)
	optional("hint", w.Hint)
	optional("seqno", w.Seqno)
	if w.Status != 0 {
		line("HTTP status", "%d", w.Status)
	}
	if w.Attempts > 0 {
		line("attempts", "%d, from %s to %s", w.Attempts, r.Local(w.First), r.Local(w.Last))
	}
	line("redrives", "%d", w.Redrives)
	if w.ClaimedRedrives > 0 {
		line("", "%d (claimed; it did not lie where replays go)", w.ClaimedRedrives)
	}
	if w.ClaimedOrigin != "" {
		line("", "origin %s (claimed; it did not lie where replays go)", redact.Clean(w.ClaimedOrigin))
	}
	optional("trace", w.Trace)
	w.printRecord(r, line)
	if w.Unmappable != "" {
		line("maps now", "no: %s", w.Unmappable)
	} else {
		line("maps now", "yes, as")
		for _, m := range w.Request {
			fmt.Fprintf(r.Out, "  %-15s %s\n", redact.Clean(m.Name), redact.Clean(m.Value))
		}
		line("string to sign", "%s", visible.Value(w.StringToSign))
	}
	line("a replay", "%s", w.Replay)
}

func (w *shownWhole) printRecord(r *session.Session, line func(name, format string, args ...any)) {
	d := w.Record
	size := func(n *int) string {
		if n == nil {
			return "null"
		}
		return console.Number(*n) + " bytes"
	}
	text := func(n *int, plain, encoded *string) string {
		switch {
		case plain != nil:
			return size(n) + ": " + redact.Clean(*plain)
		case encoded != nil:
			return size(n) + ", base64: " + *encoded
		}
		return size(n)
	}
	line("key", "%s", text(d.KeyBytes, d.Key, d.KeyBase64))
	for _, h := range d.Headers {
		line("header", "%s, %s", redact.Clean(h.Name), text(h.Bytes, h.Value, h.ValueBase64))
	}
	if d.MoreHeaders > 0 {
		line("", "and %s headers more", console.Number(d.MoreHeaders))
	}
	if d.Event == nil {
		line("value", "%s, not one JSON object", text(d.ValueBytes, d.Value, d.ValueBase64))
		return
	}
	line("value", "%s", size(d.ValueBytes))
	for _, m := range d.Event.Members {
		fmt.Fprintf(r.Out, "  %-15s %s\n", redact.Clean(m.Name), redact.Clean(m.Value))
	}
	if d.Event.More > 0 {
		fmt.Fprintf(r.Out, "  and %s members more\n", console.Number(d.Event.More))
	}
	if d.Event.Others > 0 {
		fmt.Fprintf(r.Out, "  and %d members that the API does not know\n", d.Event.Others)
	}
}

package replay

import (
	"context"
	"errors"
	"iter"

	"release-forwarder/dlq"
	"release-forwarder/dlq/ledger"
)

// Choose yields the letters that a replay would send, in its order: those that are open
// (with p.Again also others) and can be sent. It calls p.LeftOut for the others.
func (d *Replayer) Choose(ctx context.Context, l *ledger.Ledger, p *Plan, yield func(*dlq.Stored) error) error {
	order := p.Order
	if order == nil {
		var err error
		if order, err = d.Order(ctx, l, p); err != nil {
			return err
		}
	}
	chosen := 0
	err := d.inOrder(ctx, order, p, func() int {
		if p.Limit == 0 {
			return order.Len()
		}
		return p.Limit - chosen
	}, func(s *dlq.Stored) error {
		if left := d.leftOut(p, s, l.State(s)); left != nil {
			if _, decided := errors.AsType[*DecidedError](left); !decided || len(p.IDs) > 0 {
				p.leave(s, left)
			}
			return nil
		}
		if err := yield(s); err != nil {
			return err
		}
		if chosen++; chosen == p.Limit {
			return errEnough
		}
		return nil
	})
	if err == errEnough { //nolint:errorlint // made above, never wrapped
		return nil
	}
	return err
}

// errEnough ends a choice at its limit.
var errEnough = errors.New("enough dead letters are chosen")

// letters yields the letters that a replay chooses from.
func (d *Replayer) letters(ctx context.Context, p *Plan) (iter.Seq2[*dlq.Stored, error], error) {
	if len(p.IDs) > 0 {
		return d.cfg.Reader.Pick(ctx, p.IDs...), nil
	}
	spans := p.Spans
	if spans == nil {
		var err error
		if spans, err = d.cfg.Reader.Spans(ctx); err != nil {
			return nil, err
		}
	}
	return d.cfg.Reader.Letters(ctx, spans, p.Filter), nil
}

// leftOut returns why a letter is not sent, or nil.
func (d *Replayer) leftOut(p *Plan, s *dlq.Stored, state dlq.State) error {
	_, toNone := p.To.Of(s)
	switch unfit := s.Unfit(); {
	case len(p.IDs) > 0 && !d.cfg.Reader.Fits(s, p.Filter):
		return ErrUnchosen
	case !p.Again && state != dlq.Open:
		return &DecidedError{s.ID, state}
	case unfit != nil:
		return unfit
	case p.MaxRedrives >= 0 && s.Redrives >= p.MaxRedrives:
		return ErrOften
	case toNone != nil:
		return toNone
	}
	return nil
}

func (p *Plan) leave(s *dlq.Stored, err error) {
	if p.LeftOut != nil {
		p.LeftOut(s, err)
	}
}

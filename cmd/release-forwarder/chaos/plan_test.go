package main

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestTwoMinutesHoldEnoughOfEveryKind(t *testing.T) {
	for seed := range uint64(500) {
		plan := draw(seed, 2*time.Minute, usualRhythm)
		of := func(kinds []kind) (n int) {
			for _, p := range plan {
				if slices.Contains(kinds, p.Kind) {
					n++
				}
			}
			return n
		}
		if of(kills) < 5 || of(pauses) < 2 || of(cuts) < 2 {
			t.Fatalf("seed %d: %d kills, %d pauses, %d cuts", seed, of(kills), of(pauses), of(cuts))
		}
	}
}

func TestASeedGivesOnePlan(t *testing.T) {
	if !reflect.DeepEqual(draw(7, time.Minute, usualRhythm), draw(7, time.Minute, usualRhythm)) {
		t.Error("drawn again, another plan")
	}
	if reflect.DeepEqual(draw(7, time.Minute, usualRhythm), draw(8, time.Minute, usualRhythm)) {
		t.Error("another seed, the same plan")
	}
}

func TestFreezesOutlastTheSessions(t *testing.T) {
	for _, p := range draw(1, time.Hour, usualRhythm) {
		if p.Kind == pauseForwarder && p.Lasts <= sessionTimeout || p.Kind == pauseBroker && p.Lasts <= brokerSession {
			t.Errorf("%+v", p)
		}
		if p.On < 1 || p.On > replicas || p.Other < 1 || p.Other > replicas {
			t.Errorf("%+v", p)
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

var errScenario = errors.New("accepted is KIND@OFFSET[xFACTOR][,size=N][,for=DURATION][,vpc=N][,site=N], such as flood@50hx10,for=20m; --list names the kinds")

// parseScenario reads KIND@OFFSET[xFACTOR][,NAME=VALUE...]. How long it lasts is
// that of its kind when it is not said.
func parseScenario(text string) (simulate.Scenario, error) {
	head, options, _ := strings.Cut(text, ",")
	kind, when, ok := strings.Cut(head, "@")
	if !ok {
		return simulate.Scenario{}, errScenario
	}
	s := simulate.Scenario{Kind: simulate.Kind(kind)}
	offset, factor, multiplied := strings.Cut(when, "x")
	var err error
	if s.At, err = time.ParseDuration(offset); err != nil || s.At < 0 {
		return s, fmt.Errorf("offset %q: accepted are durations such as 50h or 90m", offset)
	}
	if multiplied {
		if s.Factor, err = strconv.ParseFloat(factor, 64); err != nil || !(s.Factor > 1 && s.Factor <= 10_000) {
			return s, fmt.Errorf("factor %q: accepted are numbers above 1, up to 10000", factor)
		}
	}
	for _, k := range simulate.Kinds() {
		if k.Kind == s.Kind {
			s.For = k.Lasts
		}
	}
	if s.For == 0 {
		return s, fmt.Errorf("kind %q: --list names those that are accepted", kind)
	}
	for option := range strings.SplitSeq(options, ",") {
		if option == "" && options == "" {
			break
		}
		if err := setOption(&s, option); err != nil {
			return s, err
		}
	}
	return s, nil
}

func setOption(s *simulate.Scenario, option string) (err error) {
	name, value, _ := strings.Cut(option, "=")
	count := func(least int) (n int) {
		if n, err = strconv.Atoi(value); err != nil || n < least {
			err = fmt.Errorf("%s %q: accepted are whole numbers from %d on", name, value, least)
		}
		return n
	}
	switch name {
	case "size":
		s.Size = count(1)
	case "vpc":
		s.VPC = count(0)
	case "site":
		s.Site = count(0)
	case "for":
		if s.For, err = time.ParseDuration(value); err != nil || s.For < time.Minute || s.For%time.Minute != 0 {
			err = fmt.Errorf("for %q: accepted are whole minutes, such as 20m", value)
		}
	default:
		return errScenario
	}
	return err
}

package worldmap

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
)

var ring = regexp.MustCompile(`M(-?\d+) (-?\d+)l([^zM]*)z`)
var number = regexp.MustCompile(`-?\d+`)

// Every country lies within the drawing, with its middle, and is known by one
// code.
func TestCountries(t *testing.T) {
	codes := map[string]bool{}
	for _, c := range Countries() {
		if codes[c.Code] && c.Code != "" || len(c.Code) != 2 && len(c.Code) != 0 || c.Name == "" || strings.Contains(c.Name, ".") && c.Code != "VI" {
			t.Errorf("country %q, %q", c.Code, c.Name)
		}
		codes[c.Code] = true
		inside := func(x, y int) {
			if x < 0 || x > Width || y < 0 || y > Height {
				t.Errorf("%s reaches to %d, %d", c.Name, x, y)
			}
		}
		inside(c.X, c.Y)
		if left := ring.ReplaceAllString(c.Path, ""); left != "" {
			t.Fatalf("%s: %q is no ring", c.Name, left)
		}
		for _, r := range ring.FindAllStringSubmatch(c.Path, -1) {
			var x, y int
			_, _ = fmt.Sscan(r[1]+" "+r[2], &x, &y) // the expression has matched digits
			inside(x, y)
			least, most := x, x
			steps := number.FindAllString(r[3], -1)
			if len(steps)%2 != 0 || len(steps) < 4 {
				t.Fatalf("%s: a ring of %d numbers", c.Name, len(steps))
			}
			for i := 0; i < len(steps); i += 2 {
				var dx, dy int
				_, _ = fmt.Sscan(steps[i]+" "+steps[i+1], &dx, &dy)
				x, y = x+dx, y+dy
				inside(x, y)
				least, most = min(least, x), max(most, x)
			}
			if most-least > Width/2 {
				t.Errorf("%s reaches around the world, from %d to %d: a ring that is not cut at 180 degrees", c.Name, least, most)
			}
		}
	}
	for _, code := range []string{"DE", "US", "CN", "RU", "BR", "FR", "NO", "SG", "HK", "MT", "XK"} {
		if !codes[code] {
			t.Errorf("no country %s", code)
		}
	}
	if len(world) > 64<<10 {
		t.Errorf("%d bytes of outlines", len(world))
	}
}

func TestName(t *testing.T) {
	for code, want := range map[string]string{"DE": "Germany", "SG": "Singapore", "ZZ": "ZZ", "": ""} {
		if got := Name(code); got != want {
			t.Errorf("%q is %q, want %q", code, got, want)
		}
	}
}

// Places fall into the box of their country, and the impossible ones onto the
// edge.
func TestProject(t *testing.T) {
	near := func(lat, lon, x, y float64) {
		t.Helper()
		if gx, gy := Project(lat, lon); math.Abs(gx-x) > 15 || math.Abs(gy-y) > 15 {
			t.Errorf("%v, %v lies at %.0f, %.0f, want about %.0f, %.0f", lat, lon, gx, gy, x, y)
		}
	}
	for _, c := range Countries() {
		if c.Code == "SG" {
			near(1.35, 103.8, float64(c.X), float64(c.Y))
		}
		if c.Code == "MT" {
			near(35.9, 14.4, float64(c.X), float64(c.Y))
		}
	}
	near(0, 0, Width/2, 476)
	near(0, 180, Width, 476)
	near(1000, -1000, 398, 0)
	for _, p := range [][2]float64{{90, 180}, {-90, -180}, {84, 0}, {-57, 0}} {
		if x, y := Project(p[0], p[1]); !(x >= 0 && x <= Width && y >= -1e-9 && y <= Height) {
			t.Errorf("%v lies at %v, %v", p, x, y)
		}
	}
}

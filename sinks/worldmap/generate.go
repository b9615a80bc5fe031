//go:build ignore

// Command generate writes world.tsv, one country a line: code, name, x and y of
// its middle, outline.
//
//	npm install world-atlas@2.0.2
//	go run generate.go -atlas node_modules/world-atlas
//
// The outlines are those of countries-110m; countries that are too small to be
// in it, such as Singapore, get a middle alone, from countries-50m.
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"github.com/flowwatch/flowwatch/sinks/worldmap"
)

// topology is the part of TopoJSON that the atlas uses.
type topology struct {
	Transform struct{ Scale, Translate [2]float64 }
	Arcs      [][][2]float64
	Objects   struct {
		Countries struct {
			Geometries []struct {
				Type       string
				ID         string
				Arcs       json.RawMessage
				Properties struct{ Name string }
			}
		}
	}
}

type point struct{ lon, lat float64 }

func main() {
	log.SetFlags(0)
	atlas := flag.String("atlas", "node_modules/world-atlas", "folder of the npm package world-atlas")
	flag.Parse()
	coarse, fine := read(*atlas, "countries-110m.json"), read(*atlas, "countries-50m.json")
	var all []worldmap.Country
	known := map[string]bool{}
	for _, of := range []*topology{coarse, fine} {
		for i, g := range of.Objects.Countries.Geometries {
			rings := of.rings(i)
			c := worldmap.Country{Code: code(g.ID), Name: g.Properties.Name}
			if c.Name == "Kosovo" {
				c.Code = "XK" // no ISO code, but what databases of addresses say
			}
			if c.Code == "AQ" || known[c.Code+c.Name] || of == fine && (c.Code == "" || known[c.Code]) {
				continue
			}
			known[c.Code+c.Name], known[c.Code] = true, true
			c.X, c.Y = middle(rings)
			if of == coarse {
				c.Path = outline(rings)
			}
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b worldmap.Country) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Name, b.Name))
	})
	var b strings.Builder
	for _, c := range all {
		fmt.Fprintf(&b, "%s\t%s\t%d\t%d\t%s\n", c.Code, full(c.Name), c.X, c.Y, c.Path)
	}
	if err := os.WriteFile("world.tsv", []byte(b.String()), 0o644); err != nil {
		log.Fatal(err)
	}
	log.Printf("%d countries, %d bytes", len(all), b.Len())
}

// full writes out the names that the atlas shortens.
func full(name string) string {
	return strings.NewReplacer("St. Vin. and Gren.", "Saint Vincent and the Grenadines", "Dem. Rep.", "Democratic Republic of the", "Rep.", "Republic", "Is.", "Islands", "St.", "Saint",
		"Eq.", "Equatorial", "N. ", "Northern ", "S. Sudan", "South Sudan", "W. Sahara", "Western Sahara", "Herz.", "Herzegovina",
		"Antigua and Barb.", "Antigua and Barbuda", "S. Geo. and the Is.", "South Georgia and the South Sandwich Islands",
		"Heard I. and", "Heard Island and",
		"Fr. S. Antarctic Lands", "French Southern Territories", "Fr. Polynesia", "French Polynesia", "Br. Indian Ocean Ter.", "British Indian Ocean Territory").Replace(name)
}

func read(folder, file string) *topology {
	text, err := os.ReadFile(filepath.Join(folder, file))
	if err != nil {
		log.Fatal(err)
	}
	t := new(topology)
	if err := json.Unmarshal(text, t); err != nil {
		log.Fatalf("%s: %v", file, err)
	}
	return t
}

// code turns an ISO 3166-1 number into the alpha-2 code.
func code(id string) string {
	n, err := strconv.Atoi(id)
	if err != nil {
		return ""
	}
	region, err := language.EncodeM49(n)
	if err != nil {
		log.Fatalf("country %s: %v", id, err)
	}
	return region.String()
}

// rings returns the rings of a country, of all its polygons.
func (t *topology) rings(i int) [][]point {
	g := t.Objects.Countries.Geometries[i]
	var polygons [][][]int
	if g.Type == "Polygon" {
		polygons = make([][][]int, 1)
		must(json.Unmarshal(g.Arcs, &polygons[0]))
	} else {
		must(json.Unmarshal(g.Arcs, &polygons))
	}
	var rings [][]point
	for _, polygon := range polygons {
		for _, arcs := range polygon {
			var ring []point
			for _, arc := range arcs {
				points := t.arc(arc)
				if len(ring) > 0 {
					points = points[1:]
				}
				ring = append(ring, points...)
			}
			rings = append(rings, cut(ring)...)
		}
	}
	return rings
}

// cut cuts a ring where it crosses the meridian of 180 degrees, the edge of the
// drawing: Russia and Fiji lie on both sides of it.
func cut(ring []point) [][]point {
	// On one side first, going on beyond 180.
	whole := slices.Clone(ring[:len(ring)-1]) // without the first point, which comes last again
	for i := 1; i < len(whole); i++ {
		for whole[i].lon-whole[i-1].lon > 180 {
			whole[i].lon -= 360
		}
		for whole[i].lon-whole[i-1].lon < -180 {
			whole[i].lon += 360
		}
	}
	var rings [][]point
	for _, turn := range []float64{-360, 0, 360} {
		part := make([]point, len(whole))
		for i, p := range whole {
			part[i] = point{p.lon + turn, p.lat}
		}
		part = clip(clip(part, -180, 1), 180, -1)
		if len(part) > 0 {
			rings = append(rings, append(part, part[0]))
		}
	}
	return rings
}

// clip keeps the part of a ring on one side of a meridian: east of it (side 1) or
// west (side -1). The algorithm is that of Sutherland and Hodgman (1974).
func clip(ring []point, meridian, side float64) []point {
	var kept []point
	for i, p := range ring {
		last := ring[(i+len(ring)-1)%len(ring)]
		if in, was := side*(p.lon-meridian) >= 0, side*(last.lon-meridian) >= 0; in != was {
			part := (meridian - last.lon) / (p.lon - last.lon)
			kept = append(kept, point{meridian, last.lat + part*(p.lat-last.lat)})
		}
		if side*(p.lon-meridian) >= 0 {
			kept = append(kept, p)
		}
	}
	return kept
}

// arc decodes one arc; ^n is n backwards.
func (t *topology) arc(n int) []point {
	backwards := n < 0
	if backwards {
		n = ^n
	}
	var x, y float64
	var points []point
	for _, d := range t.Arcs[n] {
		x, y = x+d[0], y+d[1]
		points = append(points, point{x*t.Transform.Scale[0] + t.Transform.Translate[0], y*t.Transform.Scale[1] + t.Transform.Translate[1]})
	}
	if backwards {
		slices.Reverse(points)
	}
	return points
}

// outline writes rings as a path on whole units, each step relative to the last.
func outline(rings [][]point) string {
	var b strings.Builder
	for _, ring := range rings {
		var steps [][2]int
		for _, p := range ring {
			x, y := worldmap.Project(p.lat, p.lon)
			at := [2]int{int(math.Round(x)), int(math.Round(y))}
			if n := len(steps); n == 0 || steps[n-1] != at {
				steps = append(steps, at)
			}
		}
		if len(steps) < 3 {
			continue
		}
		fmt.Fprintf(&b, "M%d %dl", steps[0][0], steps[0][1])
		for i := 1; i < len(steps)-1; i++ {
			dx, dy := steps[i][0]-steps[i-1][0], steps[i][1]-steps[i-1][1]
			if i > 1 && dx >= 0 {
				b.WriteByte(' ')
			}
			fmt.Fprintf(&b, "%d", dx)
			if dy >= 0 {
				b.WriteByte(' ')
			}
			fmt.Fprintf(&b, "%d", dy)
		}
		b.WriteByte('z')
	}
	return b.String()
}

// middle is the middle of the box around the largest ring.
func middle(rings [][]point) (x, y int) {
	best := 0.0
	for _, ring := range rings {
		left, right, top, bottom := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
		for _, p := range ring {
			px, py := worldmap.Project(p.lat, p.lon)
			left, right, top, bottom = min(left, px), max(right, px), min(top, py), max(bottom, py)
		}
		if area := (right - left) * (bottom - top); area >= best {
			best, x, y = area, int(math.Round((left+right)/2)), int(math.Round((top+bottom)/2))
		}
	}
	return x, y
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

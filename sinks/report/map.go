package report

import (
	"fmt"
	"math"
	"strconv"

	"github.com/flowwatch/flowwatch/pipeline/summary"
	"github.com/flowwatch/flowwatch/sinks/look"
	"github.com/flowwatch/flowwatch/sinks/worldmap"
)

// worldMap is where ingress comes from: a shade for each country, and a dot for
// each city, or each of the coordinates that a database tells instead.
type worldMap struct {
	Box    string
	Lands  []land
	Small  []spot // countries that are too small for an outline
	Dots   []spot
	Legend []legend
	Label  string
}

type land struct{ Class, Path, Title string }

type spot struct{ Class, X, Y, R, Title string }

type legend struct{ Class, Text string }

// smallRadius is the radius of a country that has no outline, in units of the map.
const smallRadius = 7

// mapOf draws the map, nil when no country is known.
func mapOf(r *summary.Report) *worldMap {
	records, sources := map[string]int64{}, map[string]int64{}
	most := int64(0)
	for _, c := range r.AllCountries {
		if c.Country != "" {
			records[c.Country], sources[c.Country] = c.Records, c.UniqueSources
			most = max(most, c.Records)
		}
	}
	if most == 0 {
		return nil
	}
	m := &worldMap{Box: fmt.Sprintf("0 0 %d %d", worldmap.Width, worldmap.Height)}
	for _, c := range worldmap.Countries() {
		n := records[c.Code]
		if c.Code == "" {
			n = 0
		}
		class, title := "", c.Name
		if n > 0 {
			class = "m" + strconv.Itoa(shade(n, most))
			title = fmt.Sprintf("%s: %s records, %s sources", c.Name, look.Count(n), look.Count(sources[c.Code]))
		}
		switch {
		case c.Path != "":
			m.Lands = append(m.Lands, land{class, c.Path, title})
		case n > 0:
			m.Small = append(m.Small, spot{class, strconv.Itoa(c.X), strconv.Itoa(c.Y), strconv.Itoa(smallRadius), title})
		}
	}
	m.dots(r)
	m.legend(most)
	m.Label = fmt.Sprintf("World map: ingress records from %d countries", len(records))
	return m
}

// mostDots is how many dots the map has: those with most records.
const mostDots = 300

// dots puts the cities where they are, with an area that grows as their records
// do. The largest come first, so that none hides a smaller one.
func (m *worldMap) dots(r *summary.Report) {
	for i := range r.Cities {
		c := &r.Cities[i]
		if !c.Located {
			continue
		}
		if len(m.Dots) == mostDots {
			return
		}
		x, y := worldmap.Project(c.Latitude, c.Longitude)
		radius := 5 + 15*math.Sqrt(float64(c.Records)/float64(max(1, r.Cities[0].Records)))
		m.Dots = append(m.Dots, spot{
			"dot", strconv.FormatFloat(x, 'f', 0, 64), strconv.FormatFloat(y, 'f', 0, 64), strconv.FormatFloat(radius, 'f', 1, 64),
			fmt.Sprintf("%s: %s records, %s sources", cityName(c), look.Count(c.Records), look.Count(c.UniqueSources)),
		})
	}
}

func (m *worldMap) legend(most int64) {
	m.Legend = []legend{{"m0", "no records"}}
	least := int64(1)
	for step := 1; step <= steps; step++ {
		last := int64(math.Floor(math.Expm1(float64(step)/steps*math.Log1p(float64(most))) + 1e-9))
		if step == steps {
			last = most
		}
		if last < least {
			continue
		}
		text := look.Count(least)
		if last > least {
			text += " to " + look.Count(last)
		}
		m.Legend = append(m.Legend, legend{"m" + strconv.Itoa(step), text})
		least = last + 1
	}
	if len(m.Dots) > 0 {
		m.Legend = append(m.Legend, legend{"dot", "a city"})
	}
}

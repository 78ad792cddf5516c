# Draws storm.dat: strategies by success and by load, then lines of goodput over
# time, as many or one less.
#
#   gnuplot -e "data='storm.dat'; out='storm.svg'" storm.gnuplot
stats data using 0 nooutput
half = (int(STATS_blocks) + 1) / 2
set terminal svg size 1080, 700 font "sans,11" background "white"
set termoption noenhanced
set output out
set multiplot
set grid
set size 0.5, 0.5
set origin 0, 0.5
set title "Success, by the share of attempts that fail"
set yrange [0:1.02]
set xrange [0:1]
unset key
plot for [i = 0:half - 1] data index i every ::1 using 1:2 with linespoints \
  lw 2 pt i + 1
set origin 0.5, 0.5
set title "Attempts per call"
set yrange [0:4.1]
set key left top
plot for [i = 0:half - 1] data index i using 1:3 with linespoints \
  lw 2 pt i + 1 title columnheader(1)
set size 1, 0.5
set origin 0, 0
set title "Good calls per second of 800; the server slows down from 15 s to 25 s"
set xrange [0:75]
set yrange [0:*]
set xlabel "s"
set key outside right
plot for [i = half:STATS_blocks - 1] data index i using 1:2 with lines \
  lw 2 title columnheader(1)
unset multiplot

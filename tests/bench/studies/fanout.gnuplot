# Draws fanout.dat: p50, p99 and p99.9 of fan-outs, then of tied requests.
#
#   gnuplot -e "data='fanout.dat'; out='fanout.svg'" fanout.gnuplot
set terminal svg size 960, 380 font "sans,11" background "white"
set termoption noenhanced
set output out
set multiplot layout 1, 2
set style data histograms
set style fill solid 0.5
set logscale y
set grid ytics
set yrange [5:*]
set ylabel "ms"
set xtics rotate by 25 right
set key outside bottom horizontal
set title "A hundred reads: with and without a hedge after 10 ms"
plot data index 0 using 2:xtic(1) title "p50", '' index 0 using 3 title "p99", \
  '' index 0 using 4 title "p99.9"
set title "Tied requests"
plot data index 1 using 2:xtic(1) title "p50", '' index 1 using 3 title "p99", \
  '' index 1 using 4 title "p99.9"
unset multiplot

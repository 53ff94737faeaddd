'use strict';
// What this package's figures are made of; scatter is plotly's own.
const Plotly = require('plotly.js/lib/core');
Plotly.register([
  require('plotly.js/lib/bar'),
  require('plotly.js/lib/choropleth'),
  require('plotly.js/lib/heatmap'),
  require('plotly.js/lib/sunburst'),
]);
module.exports = Plotly;

// The models of a deck's widgets: each is a script that brings it, as on the site.
"use strict";

const models = {};
window.vaelibSite = {
  saved(name, state) {
    models[name] = state;
  },
};

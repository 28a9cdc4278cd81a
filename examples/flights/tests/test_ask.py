"""What the words about an answer are."""

import json
import unittest

from ask import explain, request

FLIGHT = {
    "origin": "JFK",
    "dest": "LAX",
    "carrier": "UA",
    "tailnum": "N14228",
    "distance": 2475.0,
    "hour": 18,
    "weekday": 5,
}
ANSWER = {
    "predictions": [0.25],
    "triplane": {
        "model": "delay-v1",
        "version": "2308ff5b3fab",
        "role": "stable",
        "request_id": "r",
        "as_of": 1_795_690_487_000_000,
        "inputs": ["airport-weather/temp", "plane-previous-leg/last_arr_delay", "hour"],
        "rows": [
            {
                "imputed": ["airport-weather/temp", "plane-previous-leg/last_arr_delay"],
                "stale": ["airport-weather/temp"],
                "default": False,
                "inputs": [41.0, None, 18.0],
                "status": ["OUTSIDE_MAX_AGE", "NOT_FOUND", "REQUEST"],
            }
        ],
    },
}


class Words(unittest.TestCase):
    """One answer, one refusal."""

    def test_each_input_says_where_it_came_from(self):
        text = "\n".join(explain(FLIGHT, ANSWER))
        self.assertIn("late with probability 0.250", text)
        self.assertIn("delay-v1, version 2308ff5b3fab, role stable", text)
        self.assertRegex(text, r"airport-weather/temp +41  its row is too old, imputed, stale\n")
        self.assertRegex(text, r"last_arr_delay +NULL  no row, imputed\n")
        self.assertRegex(text, r"hour +18  from the caller$")

    def test_a_refusal_shows_code_and_message(self):
        text = "\n".join(explain(FLIGHT, {"error": "no such model", "code": "ModelNotFound"}))
        self.assertIn("refused, ModelNotFound: no such model", text)

    def test_the_request_is_one_row_and_asks_for_the_inputs(self):
        command = request("http://127.0.0.1:8080", FLIGHT)
        self.assertEqual(command[-3], "http://127.0.0.1:8080/v1/models/delay:predict")
        self.assertEqual(json.loads(command[-1]), {"instances": [FLIGHT], "explain": True})


if __name__ == "__main__":
    unittest.main()
